"""A board from a production line: it has a trust bundle and a one-time token, and no certificate.

It makes its key, proves by the token which node it is, and takes the certificate: over the link,
where the settings name a server, or over the USB line, when `triseal node enrol` asks. Nothing that
it sends would serve anybody else, so the server is checked without the time, which nobody has told
it yet; what makes it a node is the site key's signature over its own key.
"""

import json

from sealcore import errors

from . import enrol, keystore, memory

_SETTINGS = keystore.ROOT + "/settings.json"


def look(found: dict) -> None:
    """Complete what `boot.look` returns; always raises: NotEnrolled, or what is wrong."""
    settings = found["settings"]
    found["name"] = settings.get("node", found["name"])
    if "token" not in settings:
        settings.pop("server", None)  # it could say nothing there
        raise errors.NotEnrolled("to make it a node: triseal node provision")
    where = "triseal node enrol"
    if "server" in settings:
        where = "%s port %d, or " % tuple(settings["server"]) + where
        # Now, while the heap is free and before a watchdog counts the seconds that a key takes.
        settings["enrol"] = _message()
    memory.load(memory.TRUST)
    memory.settle()
    from . import floors, identify

    kept = identify.believed()
    found["bundle"] = kept.version
    found["floor"] = max(kept.issued_at, floors.read()[floors.TIME])
    raise errors.NotEnrolled("%s waits for its site: %s" % (found["name"], where))


def request() -> tuple:
    """(PKCS #10 request, proof of the token), DER: the same whenever it is asked for.

    The key that it makes the first time is kept, for the site certifies one only. Raises
    NotEnrolled where there is no token, BadMessage where the settings are damaged.
    """
    try:
        settings = json.loads(keystore.read(_SETTINGS) or b"{}")
        token = bytes.fromhex(settings.get("token", ""))
        name = settings["node"] if token else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        raise errors.BadMessage("settings.json")
    if not token:
        raise errors.NotEnrolled("there is no token in its settings")
    made = enrol.make_request(name, token)  # nobody else has the token
    memory.free()
    from sealcore import onetime

    proof = onetime.prove(token, made)
    memory.free()
    return made, proof


def _message() -> bytes:
    made = request()
    from sealcore import messages

    return messages.write(messages.ENROL, *made)


def take(kind: int, values) -> None:
    """The site's answer: the board becomes a node, and starts again as one. Raises SealError."""
    from sealcore import messages

    from . import board, recovery

    if kind == messages.REFUSED:
        raise errors.NotEnrolled("the site refuses: " + values[1])
    if kind != messages.ENROLLED:
        raise errors.BadMessage("kind %d now" % kind)
    recovery.make(keystore.INCOMING)
    keystore.write(keystore.INCOMING + "/node.crt", values[0])
    enrol.accept()
    print("triseal: enrolled")
    board.reset()
