"""The node's console: answers on standard input and output while the services run.

One line each way holds one message of `sealcore.messages`: `~`, base64 of the DER, newline. Lines
that don't begin with `~` are for people: the node prints logs and state changes so, and ignores
them on input. Base64 holds no control character, so that Ctrl-C still interrupts.

    host sends           node answers
    ASK nonce            STATUS with that nonce, then HELLO with a nonce of its own
    TIME signed time     STATUS (of nonce zero) once the time is set and what waited for it runs;
                         a line `triseal: CODE: detail` if it is refused
    FOLLOW 1 or 0        LOG for every line that a service logs from now on, or no longer

The signed time is for the nonce of the last HELLO, within 30 s. Whatever else comes is answered by
a line `triseal: bad-message: ...`. A service that prints on its own could print such a line too:
ASK's nonce, drawn afresh, is what tells an answer from that.
"""

import asyncio
import binascii
import gc
import sys

from sealcore import errors
from sealcore.compat import const

_LONGEST = const(10924)  # base64 of the longest message
_NO_NONCE = bytes(16)
_WORDS = ("installing", "waiting-for-time", "running", "stopped", "expired", "refused", "failed")


def line(service) -> str:
    """A service's state for people."""
    text = service.name + " " + _WORDS[service.state]
    for more in (service.code, service.detail):
        if more:
            text += ": " + more
    return text


async def serve(node) -> None:
    """Answer until the other end is closed, which on a board it never is."""
    reader = asyncio.StreamReader(sys.stdin.buffer)
    buffer = bytearray()
    while True:
        byte = await reader.read(1)
        if not byte:
            return
        if byte not in b"\r\n":
            if len(buffer) <= _LONGEST:
                buffer.extend(byte)
            continue
        if buffer[:1] == b"~":
            _take(node, buffer)
        buffer = bytearray()


def _take(node, text) -> None:
    from sealcore import messages

    try:
        if len(text) > _LONGEST:
            raise errors.BadMessage("too long")
        kind, values = messages.parse(_decode(text))
        if kind == messages.ASK:
            send(status(node, values[0]))
            send(hello(node))
        elif kind == messages.TIME:
            node.set_time(values[0])
            send(status(node, _NO_NONCE))
        elif kind == messages.FOLLOW:
            node.listeners = [_log] if values[0] else []
        else:
            raise errors.BadMessage("kind %d on the console" % kind)
    except errors.SealError as error:
        print("triseal: %s: %s" % (error.code, error))


def _decode(text) -> bytes:
    try:
        return binascii.a2b_base64(memoryview(text)[1:])
    except ValueError:
        raise errors.BadMessage("base64")


def send(message: bytes) -> None:
    """Print a message on a line of its own, wherever the last print has ended."""
    sys.stdout.write("\n~" + binascii.b2a_base64(message).decode())


def _log(source: str, text: str) -> None:
    from sealcore import messages

    send(messages.write(messages.LOG, source, text[:128]))


def hello(node) -> bytes:
    """A Hello with a fresh nonce."""
    from sealcore import messages

    held = [(one.name, one.serial, one.state) for one in node.services.values()]
    return messages.write(
        messages.HELLO,
        messages.PROTOCOL,
        node.name(),
        node.clock.ask(),
        node.bundle_version(),
        held,
    )


def status(node, nonce: bytes) -> bytes:
    """All that there is to say about the node."""
    from sealcore import messages

    try:
        now = node.clock.now()
    except errors.NoTrustedTime:
        now = 0
    found = [
        (
            one.name,
            one.state,
            one.code[:32],
            one.detail[:128],
            one.version,
            one.not_after,
            list(one.grants),
        )
        for one in node.services.values()
    ]
    gc.collect()
    return messages.write(
        messages.STATUS, nonce, node.name(), now, node.bundle_version(), gc.mem_free(), found
    )
