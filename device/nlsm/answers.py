"""What the node answers on its console.

One line each way holds one message of `sealcore.messages`: `~`, base64 of the DER, newline. In a
line of the node's the base64 is of the host's mark and then of the DER: the first 6 bytes of the
nonce of its last ASK. Services print too, and know no mark: so nothing that they print looks like
a line of the node's. Lines that don't begin with `~` are for people: the node prints logs and state
changes so, and ignores them on input.

    host sends           node answers
    ASK nonce            STATUS with that nonce, then HELLO with a nonce of its own
    TIME signed time     nothing; REJECTED if it is refused. What waited for it is checked and
                         started before the next line is answered
    FOLLOW 1 or 0        LOG for every line that a service logs from now on, or no longer
    96 bytes of a line  a line of no message: there is room for the next ones
    PROVE nonce          PROOF: that nonce, signed with the node's key
    WELCOME              opens the link over this line (`wire`): from now on both say what they say
                         over a network, until the next ASK or until a message was lost

The signed time is for the nonce of the last HELLO, and comes within 30 s. PROVE and the link are
for nodes without a network, the link once the services run. Whatever else comes is answered by
REJECTED, and for people by a line `triseal: bad-message: ...`.
"""

import binascii
import gc
import sys

from sealcore import errors, messages
from sealcore.compat import const
from sealcore.der import single

from . import clock

_LINE = const(128)
_MARK = const(6)  # octets: base64 of them is whole
_INTEGER = const(0x02)


def take(node, text) -> tuple:
    """Answer one line. Raises SealError.

    Returns: what is left to do: (signed time, None), or (None, (kind, values)) for `wire`, or
    (None, None).
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
    """Print a message on a line of its own, wherever the last print has ended."""
    sys.stdout.write("\n~" + node.mark + binascii.b2a_base64(message).decode())


def _log(node, source: str, text: str) -> None:
    send(node, messages.write(messages.LOG, source, text[:_LINE]))


def reject(node, error) -> None:
    """Say to the host why what it has told is refused."""
    send(node, messages.write(messages.REJECTED, error.code, str(error)[:_LINE]))


def hello(node, question) -> bytes:
    """A Hello with the nonce of a clock.Question."""
    held = [(one.name, one.serial or _kept(one), _state(one)) for one in node.services.values()]
    now = node.clock.known()
    said = messages.PROTOCOL, node.name, question.nonce, node.bundle, now, node.cause, held
    return messages.write(messages.HELLO, *said)


def _kept(one) -> bytes:
    """The serial number in the seal on flash, which nobody has checked yet: to say which it is."""
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
    """All that there is to say about the node; where that is too long, without the grants, then
    with less and less of the reasons."""
    gc.collect()
    free = gc.mem_free()
    now = node.clock.known()
    for grants, most in ((True, None), (False, None), (False, 32), (False, 0)):
        found = [_facts(one, grants, most) for one in node.services.values()]
        message = messages.write(messages.STATUS, nonce, node.name, now, node.bundle, free, found)
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


def _state(one) -> int:
    return messages.STATES.index(one.state)
