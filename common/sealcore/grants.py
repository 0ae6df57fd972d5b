"""Grants: what a site allows a service to do on a node. All that is not granted is denied.

    bus.publish:FILTER     publish to the node's bus, to topics that the filter matches
    bus.subscribe:FILTER   subscribe to such topics
    pin:NUMBER             use one pin
    config:KEY             read one key of the node's configuration
    log                    write to the node's log

A filter is a topic of levels between `/`, in which `+` stands for one level and a last `#` for
any number of them, as in MQTT (OASIS MQTT 5.0 section 4.7).
"""

from . import errors
from .compat import const

PUBLISH = "bus.publish"
SUBSCRIBE = "bus.subscribe"
PIN = "pin"
CONFIG = "config"
LOG = "log"

_MAX_GRANT = const(128)
_MAX_PIN = const(255)
_KEY_LETTERS = const(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def check(grant: str) -> str:
    """Returns `grant`; raises BadGrant unless it is written as one of the above."""
    if len(grant.encode()) > _MAX_GRANT:
        raise errors.BadGrant("longer than %d octets" % _MAX_GRANT)
    kind, what = _split(grant)
    if kind in (PUBLISH, SUBSCRIBE):
        _check_filter(what)
    elif kind == PIN:
        _check_pin(what, grant)
    elif kind == CONFIG:
        if not what or any(octet not in _KEY_LETTERS for octet in what.encode()):
            raise errors.BadGrant("config:KEY of letters, digits and . _ -: " + grant)
    elif grant != LOG:
        raise errors.BadGrant("no such capability: " + grant)
    return grant


def _split(grant: str) -> tuple:
    """(kind, what); ESP8266 has no `partition`."""
    kind, *what = grant.split(":", 1)
    return kind, what[0] if what else ""


def _check_pin(number: str, grant: str) -> None:
    """The one way to write a number of 0 to 255; int() alone would take others, too."""
    digits = 1 <= len(number) <= 3 and all(0x30 <= octet <= 0x39 for octet in number.encode())
    if not digits or str(int(number)) != number or int(number) > _MAX_PIN:
        raise errors.BadGrant("pin:NUMBER, 0 to 255: " + grant)


def _check_filter(pattern: str) -> None:
    levels = pattern.split("/")
    for i, level in enumerate(levels):
        if level == "#" and i == len(levels) - 1:
            return
        if level == "+":
            continue
        _check_level(level, pattern)


def _check_level(level: str, whole: str) -> None:
    if not level:
        raise errors.BadGrant("empty level in a topic: " + whole)
    # By octets: each letter of a text that is looked at by itself would stay in a board's heap.
    for octet in level.encode():
        if octet < 0x21 or octet in b"+#\x7f":
            raise errors.BadGrant("letter in a topic: " + whole)


def check_topic(topic: str) -> None:
    """Raises BadGrant unless `topic` is a topic without wildcards."""
    for level in topic.split("/"):
        _check_level(level, topic)


def matches(pattern: str, topic: str) -> bool:
    """Whether a filter covers a topic, or another filter whole (`a/#` covers `a/+`, not `#`)."""
    wanted = pattern.split("/")
    given = topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":  # elsewhere than at the end, it is no filter
            return i == len(wanted) - 1
        if i >= len(given) or given[i] == "#":
            return False
        if level != "+" and level != given[i]:
            return False
    return len(given) == len(wanted)


def require(granted, kind: str, what: str) -> None:
    """Raises NotGranted unless one of the grants in `granted` gives `kind` for `what`.

    Args:
        granted: the site seal's grants, a sequence of str.
        kind: PUBLISH, SUBSCRIBE, PIN, CONFIG or LOG.
        what: the topic, filter, pin number or key; "" for LOG.
    """
    for grant in granted:
        have, pattern = _split(grant)
        if have != kind:
            continue
        if kind in (PUBLISH, SUBSCRIBE):
            if matches(pattern, what):
                return
        elif pattern == what:
            return
    raise errors.NotGranted(kind + ":" + what if what else kind)
