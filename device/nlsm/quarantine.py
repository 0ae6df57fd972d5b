"""Finds the services whose start resets the board, and stops starting them after the second time.

`/triseal/starts` holds a JSON object with one entry for each service that has begun to start or is
under suspicion: [points, phase, hash of its package, cause of the last reset]. The file is written
before a service is imported, when it has lived for a second, and some seconds later: then it counts
as steady, and its entry is removed.

After a reset, the boot adds points to the service that was being imported, or else to all that were
starting. A loss of power adds few points to services that lived already, because it may happen at
any moment and many times in a row. A service with the points of one reset starts alone, so that no
other service is blamed for it.
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
_STEADY_MS = const(4000)  # after the service has lived for _LIVES_MS


def count(cause: str, services) -> dict:
    """Add up the points of each service after a reset, as the head of this module describes.

    Args:
        cause: the cause of the reset, one word.
        services: names of the installed services.

    Returns: {name: [points, phase, package, cause]}.
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
            str(name): [int(points), str(phase), int(package), str(cause)]
            for name, (points, phase, package, cause) in found.items()
        }
    # A damaged file must not keep a service from starting.
    except (ValueError, TypeError, AttributeError):
        return {}


def _write(starts: dict) -> None:
    try:
        keystore.write(_FILE, json.dumps(starts).encode())
    except OSError:  # the flash has no room: services start without the note
        pass


def begin(node, one) -> bool:
    """Write to flash that a checked service is about to be imported. Return whether it may be.

    If it may not, this sets its state to quarantined, with the reason.
    """
    seal = keystore.read(keystore.SERVICES + "/" + one.name + "/developer.der")
    package = int.from_bytes(sha256(seal)[:4], "big") >> 2  # on a board it takes no object
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
    """Note on flash that no service is being imported any longer."""
    if _change(node, _IMPORTS, _STARTS):
        _write(node.starts)


def settle(node) -> None:
    """Move to the next phase of a start, because its time has passed.

    Services that were starting now count as alive. If they were alive before, they are steady:
    their entries are removed, and the services that had to wait are checked.
    """
    if _change(node, _STARTS, _LIVES):
        node.flight = clock.ms() + _STEADY_MS
        _write(node.starts)
    else:
        land(node)
        node.check()


def land(node) -> None:
    """Remove the entries of all starting services: they are steady, or the agent is told to end."""
    for name in list(node.starts):
        if node.starts[name][1]:
            del node.starts[name]
    node.flight = None
    node.alone = False
    _write(node.starts)


def lift(node, name: str) -> None:
    """Clear the points of a service, because the site wants to start it once more."""
    if node.starts.pop(name, None):
        _write(node.starts)
