"""Grants: how they are written, and what each gives."""

from checks import raises, row
from sealcore import grants

WRITTEN = (
    "bus.publish:a",
    "bus.publish:home/kitchen/temperature",
    "bus.publish:#",
    "bus.publish:+",
    "bus.subscribe:home/+/temperature",
    "bus.subscribe:home/#",
    "bus.subscribe:+/+/#",
    "bus.subscribe:k\u00fcche",
    "bus.publish:!~",
    "pin:0",
    "pin:4",
    "pin:255",
    "config:wifi.ssid",
    "config:A-z_0.9",
    "timer",
    "log",
    "bus.publish:" + "a" * 116,
)

NOT_WRITTEN = (
    ("nothing", ""),
    ("no such capability", "gpio:4"),
    ("a capability without what", "bus.publish"),
    ("a capability without pin", "pin"),
    ("a capability in capitals", "LOG"),
    ("log of something", "log:"),
    ("a timer of a number", "timer:1"),
    ("no filter", "bus.publish:"),
    ("an empty level", "bus.publish:a//b"),
    ("an empty first level", "bus.publish:/a"),
    ("an empty last level", "bus.subscribe:a/"),
    ("# in the middle", "bus.subscribe:a/#/b"),
    ("# in a word", "bus.subscribe:a#"),
    ("+ in a word", "bus.subscribe:a+/b"),
    ("a blank", "bus.publish:a b"),
    ("a control letter", "bus.publish:a\x1fb"),
    ("a DEL", "bus.publish:a\x7f"),
    ("a zero byte", "bus.publish:\x00"),
    ("no pin", "pin:"),
    ("pin 256", "pin:256"),
    ("pin -1", "pin:-1"),
    ("pin +1", "pin:+1"),
    ("a leading zero", "pin:04"),
    ("a blank pin", "pin: 4"),
    ("a hexadecimal pin", "pin:0x4"),
    ("a named pin", "pin:LED"),
    ("an underscore in a number", "pin:1_0"),
    ("a superscript", "pin:\u00b2"),
    ("an Arabic digit", "pin:\u0663"),
    ("a full-width digit", "pin:\uff11"),
    ("four digits", "pin:0255"),
    ("no key", "config:"),
    ("a key with a slash", "config:a/b"),
    ("a key with a blank", "config:a b"),
    ("a key beyond ASCII", "config:\u00e4"),
    ("129 bytes", "bus.publish:" + "a" * 117),
    ("129 bytes in fewer letters", "bus.publish:" + "\u00e4" * 58 + "a"),
)

COVERED = (
    ("a", "a"),
    ("a/b", "a/b"),
    ("+", "a"),
    ("+", "+"),
    ("a/+", "a/b"),
    ("a/+/c", "a/b/c"),
    ("#", "a"),
    ("#", "a/b/c"),
    ("#", "#"),
    ("#", "+/a"),
    ("a/#", "a"),
    ("a/#", "a/b"),
    ("a/#", "a/b/c"),
    ("a/#", "a/+"),
    ("a/#", "a/#"),
    ("a/#", "a/+/#"),
    ("+/#", "a"),
)

NOT_COVERED = (
    ("a", "b"),
    ("a", "a/b"),
    ("a/b", "a"),
    ("a", "A"),
    ("a", "+"),
    ("a", "#"),
    ("+", "a/b"),
    ("+", "#"),
    ("a/+", "a"),
    ("a/+", "a/#"),
    ("a/+", "a/b/c"),
    ("a/#", "b"),
    ("a/#", "#"),
    ("a/#", "+"),
    ("a/#", "ab"),
    ("+/#", "#"),
    ("a/b/#", "a"),
    ("a/b", "a/+"),
    # # elsewhere than at the end is no filter, and covers nothing
    ("#/b", "door/open"),
    ("#/b", "b"),
    ("#/b", "#"),
    ("#/b", "#/b"),
    ("#/#", "a"),
    ("a/#/b", "a"),
    ("a/#/b", "a/c"),
    ("a/#/b", "a/c/b"),
    ("a/#/b", "a/#/b"),
    ("+/#/b", "a/c/b"),
)


def test_what_is_written_as_grants_are_is_taken():
    for grant in WRITTEN:
        assert grants.check(grant) == grant


def test_what_is_not_is_refused():
    for sentence, grant in NOT_WRITTEN:
        row(sentence, "bad-grant", grants.check, grant)


def test_a_topic_has_no_wildcards():
    grants.check_topic("home/kitchen")
    for topic in ("", "a//b", "+", "a/#", "a b", "a/"):
        row(topic, "bad-grant", grants.check_topic, topic)


def test_a_filter_covers_what_it_says():
    for pattern, topic in COVERED:
        assert grants.matches(pattern, topic), (pattern, topic)


def test_a_filter_covers_no_more():
    for pattern, topic in NOT_COVERED:
        assert not grants.matches(pattern, topic), (pattern, topic)


GRANTED = ("bus.publish:home/kitchen/#", "bus.subscribe:home/+", "pin:4", "config:name", "log")


def test_what_is_granted_passes():
    for kind, what in (
        (grants.PUBLISH, "home/kitchen"),
        (grants.PUBLISH, "home/kitchen/a/b"),
        (grants.SUBSCRIBE, "home/cellar"),
        (grants.SUBSCRIBE, "home/+"),
        (grants.PIN, "4"),
        (grants.CONFIG, "name"),
        (grants.LOG, ""),
    ):
        grants.require(GRANTED, kind, what)


def test_all_else_is_denied():
    for kind, what in (
        (grants.PUBLISH, "home/cellar"),
        (grants.PUBLISH, "home/#"),
        (grants.SUBSCRIBE, "home/kitchen/a"),
        (grants.SUBSCRIBE, "home/#"),
        (grants.PIN, "5"),
        (grants.PIN, "40"),
        (grants.PIN, ""),
        (grants.CONFIG, "names"),
        (grants.CONFIG, ""),
        (grants.LOG, "x"),
        ("gpio", "4"),
    ):
        row(kind + ":" + what, "not-granted", grants.require, GRANTED, kind, what)
        row(kind + ":" + what, "not-granted", grants.require, (), kind, what)
    for grant in ("bus.publish:#/b", "bus.publish:#/", "bus.publish:/#", "bus.publish"):
        row(grant, "not-granted", grants.require, (grant,), grants.PUBLISH, "door/open")
    assert str(raises("not-granted", grants.require, (), "log", "")) == "log"
    assert str(raises("not-granted", grants.require, (), "pin", "4")) == "pin:4"
