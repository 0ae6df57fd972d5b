"""Enrols a new board: it has a trust bundle and a one-time token, but no certificate yet.

The board makes its key, proves with the token which node it is, and takes its certificate. This
happens over the link if the settings name a server, or over the USB line when a person runs
`triseal node enrol`. The board does not know the time yet, so it checks the server's certificate
without it. This is safe: what the board sends is of no use to anybody else, and the board becomes a
node only by the site key's signature over the board's own key.
"""

import json

from sealcore import errors

from . import enrol, keystore, memory

_SETTINGS = keystore.ROOT + "/settings.json"


def look(found: dict) -> None:
    """Complete the result of `boot.look`. Always raises: NotEnrolled or another error."""
    settings = found["settings"]
    found["name"] = settings.get("node", found["name"])
    if "token" not in settings:
        settings.pop("server", None)  # without a token the board cannot enrol over the network
        raise errors.NotEnrolled("to make it a node: triseal node provision")
    where = "triseal node enrol"
    if "server" in settings:
        where = "%s port %d, or " % tuple(settings["server"]) + where
        # Do it now, while the heap is free and before a watchdog runs: making a key takes many
        # seconds.
        settings["enrol"] = _message()
    memory.load(memory.TRUST)
    memory.settle()
    from . import floors, identify

    kept = identify.believed()
    found["bundle"] = kept.version, kept.mark
    found["floor"] = max(kept.issued_at, floors.read()[floors.TIME])
    raise errors.NotEnrolled("%s waits for its site: %s" % (found["name"], where))


def request() -> tuple:
    """Return (PKCS #10 request, proof of the token) as DER. Every call returns the same request.

    The first call makes a key and keeps it, because the site certifies only one key for a token.
    Raises NotEnrolled if there is no token, and BadMessage if the settings are damaged.
    """
    try:
        settings = json.loads(keystore.read(_SETTINGS) or b"{}")
        token = bytes.fromhex(settings.get("token", ""))
        name = settings["node"] if token else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        raise errors.BadMessage("settings.json")
    if not token:
        raise errors.NotEnrolled("there is no token in its settings")
    made = enrol.make_request(name, token)  # only this board has the token
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
    """Take the site's answer.

    If it is a certificate, store it and reboot as a node. Raises SealError.
    """
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
