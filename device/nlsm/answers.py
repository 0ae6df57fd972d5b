"""The node's answers on its console.

A line carries one message of `sealcore.messages` in either direction: `~`, base64 of the DER,
newline. In a line from the node, the base64 covers the host's mark and then the DER. The mark is
the first 6 bytes of the nonce in the host's last ASK. Services print to the same console, but they
do not know the mark, so they cannot forge a line of the node. A line that does not begin with `~`
is for people: the node prints logs and state changes this way, and ignores such lines on input.

    host sends           node answers
    ASK nonce            STATUS with that nonce, then HELLO with a nonce of its own
    TIME signed time     nothing; REJECTED if it is refused. Services that waited for the time are
                         checked and started before the next line is answered
    FOLLOW 1 or 0        from now on LOG for every line that a service logs, or no longer
    96 bytes of a line   a line without a message: there is room for the next bytes
    PROVE nonce          PROOF: that nonce, signed with the node's key
    WELCOME              opens the link over this line (`wire`): from now on both sides say what
                         they say over a network, until the next ASK or until a message is lost

The signed time answers the nonce of the last HELLO and must come within 30 s. PROVE and the link
are for nodes without a network; the link works once the services run. The node answers anything
else with REJECTED, and anything else from a person with a line `triseal: bad-message: ...`.
"""

import binascii
import gc
import sys

from sealcore import errors, messages
from sealcore.compat import const
from sealcore.der import single

from . import clock

_LINE = const(128)
_MARK = const(6)  # bytes: their base64 needs no padding
_INTEGER = const(0x02)


def take(node, text) -> tuple:
    """Handle one line from the host. Raises SealError.

    Returns: what the caller must still do: (signed time, None), or (None, (kind, values)) for
    `wire`, or (None, None).
    """
    try:
        kind, values = messages.parse(binascii.a2b_base64(memoryview(text)[1:]))
    except ValueError:
        raise errors.BadMessage("base64")
    if kind == messages.TIME:
        return values[0], None
    if kind == messages.ASK:
        node.mark = binascii.b2a_base64(values[0][:_MARK]).decode()[:-1]
        send(node, status(node, values[0]))
        node.question = clock.Question()
        send(node, hello(node, node.question))
    elif kind == messages.FOLLOW:
        node.followers = [lambda *said: _log(node, *said)] if values[0] else []
    else:
        return None, (kind, values)
    return None, None


def send(node, message: bytes) -> None:
    """Print a message on its own line, even if the last print ended in the middle of a line."""
    real = getattr(sys, "real", sys)  # where services run, `sys` is theirs: see `guard`
    real.stdout.write("\n~" + node.mark + binascii.b2a_base64(message).decode())


def _log(node, source: str, text: str) -> None:
    send(node, messages.write(messages.LOG, source, text[:_LINE]))


def reject(node, error) -> None:
    """Tell the host why its message is refused."""
    send(node, messages.write(messages.REJECTED, error.code, str(error)[:_LINE]))


def hello(node, question) -> bytes:
    """Build a HELLO with the nonce of a clock.Question."""
    held = [(one.name, one.serial or _kept(one), _state(one)) for one in node.services.values()]
    now = node.clock.known()
    said = messages.PROTOCOL, node.name, question.nonce
    return messages.write(messages.HELLO, *(said + node.bundle + (now, node.cause, held)))


def _kept(one) -> bytes:
    """Return the serial number of the seal on flash.

    It is not checked yet, and only names the seal.
    """
    if one.state == "refused":
        return b""
    from . import keystore

    try:
        whole = single(keystore.read(keystore.SERVICES + "/" + one.name + "/site.der"))
        signed = single(whole.element())
        signed.element()  # version
        return bytes(signed.octets(1, 16, _INTEGER))
    except errors.SealError:
        return b""


def status(node, nonce: bytes) -> bytes:
    """Build a STATUS with everything there is to say about the node.

    If the message is too long, leave out the grants, then more and more of the details.
    """
    gc.collect()
    free = gc.mem_free()
    now = node.clock.known()
    for grants, most in ((True, None), (False, None), (False, 32), (False, 0)):
        found = [_facts(one, grants, most) for one in node.services.values()]
        said = nonce, node.name, now, node.bundle[0], free, found
        message = messages.write(messages.STATUS, *said)
        if len(message) <= messages.MAX_FRAME:
            break
    return message  # type: ignore[possibly-undefined] # the loop has a turn


def _facts(one, grants: bool, most) -> tuple:
    return (
        one.name,
        _state(one),
        one.code,
        one.detail[:most],
        one.version,
        one.not_after,
        one.restarts,
        list(one.granted) if grants else [],
    )


def machine(settings) -> bytes:
    """Build a FACTS: what this board is, and how much is free."""
    from . import board

    kind, free, texts = board.look()
    gc.collect()
    now = settings.get("version", 0), settings.get("failed", 0)
    return messages.write(
        messages.FACTS, *now, kind, gc.mem_free(), free, clock.ms() // 1000, texts
    )


def _state(one) -> int:
    return messages.STATES.index(one.state)
