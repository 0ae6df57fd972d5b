"""New settings from the site: on trial until they have reached it.

Nothing is written during a trial: a board that is reset meanwhile has its old settings. The trial
is over when the site has sent WELCOME under the new settings. If that does not happen in time, the
node goes back to those before, which have reached the site.
"""

import json

from sealcore import settings
from sealcore.compat import const

from . import clock, keystore, trust

_TRIAL_S = const(300)
_MOST_S = const(604800)
_WATCHDOG_S = const(8)
_PATH = const("/triseal/settings.json")
_ROOM = const(8000)  # bytes of that file, which the next start reads back
# The settings that are numbers, as words between spaces.
_NUMBERS = const(" grace spread watchdog trial ")


def take(link, der) -> None:
    """Check settings, and try them on the next connection. Raises SealError.

    Settings that the site has signed but no node can use are given up at once.
    """
    node = link.node
    own = trust.load()
    had = node.settings.get("version", 0)
    version, issued, values = settings.read(der, own.site_keys, own.site, node.name, had)
    node.clock.rise(issued)
    before = node.offered[0] if node.offered else node.settings
    try:
        offered = json.loads(values)
        if 0 < (offered.get("watchdog") or 0) < _WATCHDOG_S:  # it could reset the board forever
            raise ValueError
        new = _merged(before, offered)
        _check(new)
        if len(json.dumps(_merged(_stored(), offered))) > _ROOM:
            raise ValueError
    except (ValueError, TypeError, AttributeError, KeyError, IndexError):
        node.settings["failed"] = version
        link.drop()
        return
    new["version"] = version
    new.pop("failed", 0)
    node.settings = new
    end = clock.ms() + 1000 * node.settings.get("trial", _TRIAL_S)
    node.offered = before, end, values
    link.turn = 0
    link.drop()


def _merged(old: dict, new: dict) -> dict:
    made = dict(old)
    for key, value in new.items():
        if value is None:
            made.pop(key, 0)
        elif type(value) is dict:
            made[key] = _merged(made.get(key) or {}, value)
        else:
            made[key] = value
    return made


def _check(new: dict) -> None:
    """Raise ValueError or TypeError for what would end the agent when it starts."""
    for name in _NUMBERS.split():
        if type(new.get(name, 0)) is not int or not 0 <= new.get(name, 0) <= _MOST_S:
            raise ValueError
    for name in ("server", "wifi"):
        if name in new:
            new[name][0][0]  # raises where this is no list
    if type(new.get("config", {})) is not dict:
        raise ValueError


def _stored() -> dict:
    return dict(json.loads(keystore.read(_PATH)))


def keep(node) -> None:
    """End the trial: the site was reached. What the flash has beside the new values stays."""
    new = _merged(_stored(), json.loads(node.offered[2]))
    new["version"] = node.settings["version"]
    keystore.write(_PATH, json.dumps(new).encode())
    node.offered = None


def leave(link) -> None:
    """Give the new settings up: they did not reach the site in time."""
    node = link.node
    failed = node.settings["version"]
    node.settings = node.offered[0]
    node.settings["failed"] = failed
    node.offered = None
    link.turn = 0
    link.say("settings", "version %d did not reach the site: back to those before" % failed)
    link.drop()
