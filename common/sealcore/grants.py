"""Grants: what a site allows a service to do on a node. What is not granted is denied.

    bus.publish:FILTER     publish to the node's bus, to topics that the filter matches
    bus.subscribe:FILTER   subscribe to such topics
    pin:NUMBER             use one pin
    timer                  use timers
    config:KEY             read one key of the node's configuration
    log                    write to the node's log

A filter is a topic of levels between `/`, in which `+` stands for one level and a last `#` for
any number of levels, as in MQTT (OASIS MQTT 5.0 section 4.7).
"""

from . import errors
from .compat import const

PUBLISH = const("bus.publish")
SUBSCRIBE = const("bus.subscribe")
PIN = const("pin")
CONFIG = const("config")
TIMER = const("timer")
LOG = const("log")

_MAX_GRANT = const(128)
_MAX_PIN = const(255)
_KEY_LETTERS = const(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def check(grant: str) -> str:
    """Return `grant` if it is written as one of the forms above. Raises: BadGrant."""
    if len(grant.encode()) > _MAX_GRANT:
        raise errors.BadGrant("longer than %d bytes" % _MAX_GRANT)
    kind, what = _split(grant)
    if kind in (PUBLISH, SUBSCRIBE):
        _check_filter(what)
    elif kind == PIN:
        _check_pin(what, grant)
    elif kind == CONFIG:
        if not what or any(byte not in _KEY_LETTERS for byte in what.encode()):
            raise errors.BadGrant("config:KEY of letters, digits and . _ -: " + grant)
    elif grant not in (TIMER, LOG):
        raise errors.BadGrant("no such capability: " + grant)
    return grant


def _split(grant: str) -> tuple:
    """Return (kind, value) of a grant; ESP8266 has no `partition`."""
    kind, *what = grant.split(":", 1)
    return kind, what[0] if what else ""


def _check_pin(number: str, grant: str) -> None:
    """Check the only spelling of a number from 0 to 255; int() alone would accept others, too."""
    digits = 1 <= len(number) <= 3 and all(0x30 <= byte <= 0x39 for byte in number.encode())
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
    # Byte by byte: each letter of a text would become a string that stays in a board's heap.
    for byte in level.encode():
        if byte < 0x21 or byte in b"+#\x7f":
            raise errors.BadGrant("letter in a topic: " + whole)


def check_topic(topic: str) -> None:
    """Check that `topic` is a topic without wildcards. Raises: BadGrant."""
    for level in topic.split("/"):
        _check_level(level, topic)


def matches(pattern: str, topic: str) -> bool:
    """Say whether a filter covers a topic or all of another filter (`a/#` covers `a/+`, but not
    `#`).

    Args:
        pattern: the filter.
        topic: the topic, or the other filter.
    """
    wanted = pattern.split("/")
    given = topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":  # not at the end it makes no filter
            return i == len(wanted) - 1
        if i >= len(given) or given[i] == "#":
            return False
        if level != "+" and level != given[i]:
            return False
    return len(given) == len(wanted)


def require(granted, kind: str, what: str) -> None:
    """Check that one of the grants allows a use.

    Args:
        granted: the site seal's grants, a sequence of str.
        kind: PUBLISH, SUBSCRIBE, PIN, TIMER, CONFIG or LOG.
        what: the topic, filter, pin number or key; "" for TIMER and LOG.

    Raises: NotGranted.
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
