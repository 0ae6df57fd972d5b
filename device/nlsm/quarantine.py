"""Which services have taken the board down as they started: after the second time they rest.

`/triseal/starts` holds, as JSON, for each service that has begun to start, or is under suspicion:
[points, phase, its package, what reset the board]. It is written before a service is imported, once
it lives, and once it has lived for some seconds: then it is steady, and nothing is held against it.

What is found at boot counts: for the one that was being imported, else for all that were starting.
Loss of power counts little for those that lived: it may come at any moment, many times in a row.
A service with the points of a reset starts alone, so that no other service is blamed for it.
"""

import json

from sealcore.compat import const, sha256

from . import clock, keystore

_FILE = keystore.ROOT + "/starts"
_LIMIT = const(8192)
_FULL = const(8)
_RESET = const(4)  # points
_POWER = const(1)
_IMPORTS = const("i")
_STARTS = const("s")
_LIVES = const("l")
_LIVES_MS = const(1000)
_STEADY_MS = const(4000)  # after that


def count(cause: str, services) -> dict:
    """What is known of each service after a reset; see above.

    Args:
        cause: of the reset, a word.
        services: names of what is installed.
    """
    found = {name: entry for name, entry in _read().items() if name in services}
    phases = [entry[1] for entry in found.values()]
    for entry in found.values():
        if entry[1] and (entry[1] == _IMPORTS or _IMPORTS not in phases):
            power = entry[1] == _LIVES and cause in ("power-on", "brown-out")
            entry[0] += _POWER if power else _RESET
            entry[3] = cause
        entry[1] = ""
    if any(phases):
        _write(found)
    return found


def _read() -> dict:
    try:
        found = json.loads(keystore.read(_FILE, _LIMIT) or b"{}")
        return {
            str(name): [int(points), str(phase), str(package), str(cause)]
            for name, (points, phase, package, cause) in found.items()
        }
    except (ValueError, TypeError, AttributeError):  # it never keeps a service from starting
        return {}


def _write(starts: dict) -> None:
    try:
        keystore.write(_FILE, json.dumps(starts).encode())
    except OSError:  # no room: services start all the same
        pass


def begin(node, one) -> bool:
    """Whether a service that was checked may be imported now; a note of it is on the flash then.
    If not, its state says why."""
    seal = keystore.read(keystore.SERVICES + "/" + one.name + "/developer.der")
    package = sha256(seal)[:8].hex()
    points, _, known, cause = node.starts.get(one.name, (0, "", package, ""))
    if known != package:
        points = 0
    if points >= _FULL:
        one.set("quarantined", cause, "the board was reset as it started, and again")
        return False
    _change(node, _IMPORTS, _STARTS)
    node.starts[one.name] = [points, _IMPORTS, package, cause]
    node.flight = clock.ms() + _LIVES_MS
    node.alone = points >= _RESET
    _write(node.starts)
    return True


def _change(node, before: str, after: str) -> bool:
    changed = False
    for entry in node.starts.values():
        if entry[1] == before:
            entry[1] = after
            changed = True
    return changed


def imported(node) -> None:
    """Nothing is being imported any longer."""
    if _change(node, _IMPORTS, _STARTS):
        _write(node.starts)


def settle(node) -> None:
    """Services have started a while ago: they live; or are steady, and others have their turn."""
    if _change(node, _STARTS, _LIVES):
        node.flight = clock.ms() + _STEADY_MS
        _write(node.starts)
    else:
        land(node)
        node.check()


def land(node) -> None:
    """Nothing is held any longer against those that are starting."""
    for name in list(node.starts):
        if node.starts[name][1]:
            del node.starts[name]
    node.flight = None
    node.alone = False
    _write(node.starts)


def lift(node, name: str) -> None:
    """The site wants it to start once more."""
    if node.starts.pop(name, None):
        _write(node.starts)
