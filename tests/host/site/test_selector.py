"""Selectors and labels: what is one, what is none, and which nodes are meant."""

from __future__ import annotations

import pytest

from tests.worlds.site_world import code_of
from triseal.site.errors import BadSelector
from triseal.site.rules import selector

KNOWN = {"floor": "2", "chip": "esp32c3", "room": "kitchen"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("floor=2", True),
        ("floor=3", False),
        ("floor=2,chip=esp32c3", True),
        ("floor=2,chip=rp2040", False),
        ("chip!=rp2040", True),
        ("chip!=esp32c3", False),
        ("owner=ada", False),
        ("owner!=ada", True),  # a node without the key has no value to differ from
        ("floor=02", False),
        ("chip=ESP32C3", False),
    ],
)
def test_all_terms_must_hold(text: str, meant: bool) -> None:
    assert selector.parse(text).matches(KNOWN) is meant


def test_terms_have_one_order() -> None:
    assert str(selector.parse("floor=2,chip!=esp32,area=x")) == "area=x,chip!=esp32,floor=2"
    assert selector.parse("b=1,a=2") == selector.parse("a=2,b=1")


HOSTILE = (
    ("nothing", ""),
    ("only a comma", ","),
    ("a comma at the end", "floor=2,"),
    ("a comma in front", ",floor=2"),
    ("no value", "floor="),
    ("no key", "=2"),
    ("a key alone", "floor"),
    ("two signs", "floor==2"),
    ("another sign", "floor>2"),
    ("a space", "floor= 2"),
    ("a space behind a comma", "floor=2, chip=x"),
    ("a newline at the end", "floor=2\n"),
    ("NUL", "floor=2\0"),
    ("quotes", "floor='2'"),
    ("a pattern", "floor=*"),
    ("a capital letter in a key", "Floor=2"),
    ("a digit first", "2floor=2"),
    ("a key with a dot", "a.b=2"),
    ("another digit of Unicode", "floor=\u0662"),
    ("a letter that looks like o", "fl\u043eor=2"),
    ("a letter that turns the text around", "floor=\u202e2"),
    ("half of a pair", "floor=\ud800"),
    ("SQL", "floor=2' OR '1'='1"),
    ("a control character", "floor=\x1b[2J"),
    ("a key of 33 letters", "k" * 33 + "=2"),
    ("a value of 64 letters", "k=" + "v" * 64),
    ("17 terms", ",".join(f"k{number}=1" for number in range(17))),
    ("a megabyte", "a=1," * 250_000),
    ("a term twice", "floor=2,floor=2"),
    ("two values", "floor=2,floor=3"),
    ("a value and not", "floor=2,floor!=2"),
)


@pytest.mark.parametrize(("sentence", "text"), HOSTILE, ids=[one for one, _ in HOSTILE])
def test_no_selector(sentence: str, text: str) -> None:
    with pytest.raises(BadSelector) as caught:
        selector.parse(text)
    assert len(str(caught.value)) < 500, sentence


def test_the_longest_selector() -> None:
    terms = [f"{'k' * 30}-{number:x}={'v' * 30}" for number in range(16)]
    assert len(selector.parse(",".join(terms)).terms) == 16


def test_labels_are_given_and_taken() -> None:
    assert selector.parse_labels(["floor=2", "room-", "a-b-"]) == {
        "floor": "2",
        "room": None,
        "a-b": None,
    }


@pytest.mark.parametrize(
    "words",
    [["floor"], ["floor=2", "floor=3"], ["floor=2", "floor-"], ["chip=esp32"], ["node-"], ["="],
     ["a=b,c=d"], ["a!=b"], [""], ["-"], ["a=\n"], ["k" * 33 + "-"]],
)  # fmt: skip
def test_no_label(words: list[str]) -> None:
    assert code_of(lambda: selector.parse_labels(words)) == "bad-selector"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("ESP32C3", "ESP32C3"),
        ("Raspberry Pi Pico W", "Raspberry-Pi-Pico-W"),
        ("", ""),
        ("\0\0", ""),
        ("x" * 600, "x" * 63),
        ("\x1b[2Ja,b=c", "2Ja-b-c"),
        ("\u202e", ""),
    ],
)
def test_what_a_node_says_becomes_a_value(said: str, kept: str) -> None:
    assert selector.fit(said) == kept
    if kept:
        assert selector.parse(f"board={kept}").matches({"board": kept})
