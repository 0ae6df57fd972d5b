"""Settings that a site changes on nodes: what they may be, what is secret, how far nodes are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from sealcore import errors
from triseal.site.errors import BadSettings
from triseal.site.records import nodes, nodesettings, vitals
from triseal.site.records.nodesettings import Setting
from triseal.site.records.vitals import Vitals
from triseal.site.rules import settings as rules

GIVEN_UP = "given up"
LEAST_WATCHDOG = 8  # seconds: checks of seals need some of them, on the slowest board
MOST_BYTES = 4096  # of all settings of a node, see `sealcore.settings`

_CONFIG = "config"
_DOT = "."
_SECRET = "wifi"
_NOTHING = b"null"

Seal = Callable[[bytes, str], bytes]
Open = Callable[[bytes, str], bytes]


@dataclass(frozen=True)
class Configured:
    """A node whose settings the site has changed.

    Attributes:
        node: name of the node.
        version: version of the settings that it should have.
        told: version of those that it had when it connected last; None if it never said it.
        state: "in force", "given up" (it did not reach the site with them), "to be told", or
            "not known" for a node that never said it.
        shown: what people may read of them, by key.
    """

    node: str
    version: int
    told: int | None
    state: str
    shown: dict[str, str]


def check(changes: Mapping[str, object]) -> None:
    """Check new settings before anything is changed.

    Args:
        changes: values by key; None takes a value away. `config` is a mapping, of whose values
            None takes one away too.

    Raises:
        BadAddress, BadSettings: a node could not use them.
    """
    if "server" in changes and not changes["server"]:
        raise BadSettings("a node without a server could never be reached again")
    given = {key: value for key, value in changes.items() if value is not None}
    config = given.get(_CONFIG)
    if isinstance(config, Mapping):
        given[_CONFIG] = {key: value or "" for key, value in config.items()}
    rules.check(given)
    if 0 < int(str(given.get("watchdog", 0))) < LEAST_WATCHDOG:
        raise BadSettings(f"a watchdog of less than {LEAST_WATCHDOG} s may reset the board forever")
    unknown = sorted(changes.keys() - rules.KEYS)
    if unknown:
        raise BadSettings(f"there is no setting {unknown[0]!r}")


def prepare(node: str, changes: Mapping[str, object], seal: Seal) -> list[Setting]:
    """Make the settings of one node, its secrets sealed.

    Args:
        node: name of the node.
        changes: as `check` has accepted them.
        seal: seals a secret for a purpose.
    """
    made = []
    for key, value in changes.items():
        if key == _CONFIG and isinstance(value, Mapping):
            made += [_plain(_CONFIG + _DOT + name, text) for name, text in value.items()]
        elif key == _SECRET and value is not None:
            listed = _listed(value)
            names = ", ".join(str(one[0]) for one in listed)
            sealed = seal(_json(listed), _purpose(node, key))
            made.append(Setting(key, sealed, secret=True, shown=names[:1024]))
        elif key == "watchdog":
            made.append(_plain(key, value or None))  # none, as `node provision` writes it
        else:
            made.append(_plain(key, _listed(value) if key == "server" else value))
    return made


def change(connection: Connection, node: str, made: Sequence[Setting], now: int) -> int:
    """Keep new settings of a node.

    Args:
        connection: a writing transaction.
        node: name of the node.
        made: the settings, from `prepare`.
        now: the time, Unix seconds.

    Returns: the new version.

    Raises:
        UnknownNode, NodeRetired: as `nodes.get`.
        TooLarge: all settings of the node together are too long.
    """
    nodes.get(connection, node)
    version = nodesettings.change(connection, node, made, now)
    kept = nodesettings.of(connection, node)
    if sum(len(one.key) + len(one.value) + 8 for one in kept) > MOST_BYTES:
        raise errors.TooLarge(f"the settings of {node} have more than {MOST_BYTES} bytes")
    for one in made:
        if one.key == "grace":
            seconds = json.loads(one.value) or 0
            nodes.allow_grace(connection, node, seconds, in_force=False)
    return version


def assembled(connection: Connection, node: str, opened: Open) -> bytes:
    """Return all settings of a node that the site has changed, as the JSON for it.

    Args:
        connection: any transaction.
        node: name of the node.
        opened: opens a secret.

    Raises:
        SecretLost: a secret can't be opened.
    """
    made: dict[str, object] = {}
    config: dict[str, object] = {}
    for one in nodesettings.of(connection, node):
        data = opened(one.value, _purpose(node, one.key)) if one.secret else one.value
        first, _, rest = one.key.partition(_DOT)
        if first == _CONFIG:
            config[rest] = json.loads(data)
        else:
            made[one.key] = json.loads(data)
    return _json(made | ({_CONFIG: config} if config else {}))


def settled(connection: Connection, node: str, told: int) -> None:
    """Note that a node has settings in force: its grace now bounds what it does.

    Args:
        connection: a writing transaction.
        node: name of the node.
        told: their version.
    """
    if told == nodesettings.version(connection, node):
        for one in nodesettings.of(connection, node):
            if one.key == "grace":
                seconds = json.loads(one.value) or 0
                nodes.allow_grace(connection, node, seconds, in_force=True)


def every(connection: Connection) -> list[Configured]:
    """Return the nodes whose settings the site has changed, sorted by name.

    Args:
        connection: any transaction.
    """
    told = vitals.every(connection)
    return [
        Configured(
            node,
            version,
            told[node].settings if node in told else None,
            state_of(version, told.get(node)),
            {one.key: one.shown for one in nodesettings.of(connection, node)},
        )
        for node, version in nodesettings.all_versions(connection).items()
    ]


def given_up(connection: Connection) -> list[str]:
    """Return the names of the nodes that did not reach the site with their settings, sorted.

    Args:
        connection: any transaction.
    """
    told = vitals.every(connection)
    return [
        node
        for node, version in nodesettings.all_versions(connection).items()
        if state_of(version, told.get(node)) == GIVEN_UP
    ]


def state_of(version: int, told: Vitals | None) -> str:
    """Say how far a node is with its settings.

    Args:
        version: the version that it should have.
        told: what it has said, or None.
    """
    if told is None:
        return "not known"
    if told.settings >= version:
        return "in force"
    return GIVEN_UP if told.gave_up == version else "to be told"


def _plain(key: str, value: object) -> Setting:
    data = _json(value)
    shown = "(taken away)" if data == _NOTHING else data.decode()[:1024]
    return Setting(key, data, secret=False, shown=shown)


def _listed(value: object) -> list[list[object]]:
    """Return servers or Wi-Fi networks as a list: one may stand alone."""
    if not isinstance(value, list | tuple):
        raise BadSettings(f"{value!r} is no list")
    many = [value] if isinstance(value[0], str) else value
    return [list(one) for one in many]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def _purpose(node: str, key: str) -> str:
    return f"{key} of {node}"
