"""Metadata: strict JSON, typed where it is known, the same bytes for the same object."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triseal import metadata
from triseal.errors import BadMetadata

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SIMPLE = st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | TEXT
VALUES = st.recursive(
    SIMPLE | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FURTHER = st.dictionaries(TEXT.map(lambda key: f"x-{key}"), VALUES, max_size=4)

REFUSED: tuple[tuple[str, bytes], ...] = (
    ("empty", b""),
    ("no JSON", b"{"),
    ("two objects", b"{}{}"),
    ("a list", b"[]"),
    ("a string", b'"a"'),
    ("null", b"null"),
    ("not UTF-8", b'{"description":"\xff"}'),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("UTF-16", "{}".encode("utf-16")),
    ("half a surrogate pair", b'{"a":"\\ud800"}'),
    ("half a surrogate pair as a key", b'{"\\ud800":1}'),
    ("a key twice", b'{"a":1,"a":1}'),
    ("a key twice, deep inside", b'{"a":[{"b":1,"b":2}]}'),
    ("NaN", b'{"a":NaN}'),
    ("infinity", b'{"a":-Infinity}'),
    ("a number that is infinite", b'{"a":1e999}'),
    ("a number of five thousand digits", b'{"a":' + b"9" * 5000 + b"}"),
    ("a comma too many", b'{"a":1,}'),
    ("a comment", b"{} // why"),
    ("a control character", b'{"a":"\x01"}'),
    ("over 8 KiB", b'{"a":"' + b"a" * 8192 + b'"}'),
    ("nested without end", b'{"a":' + b"[" * 4000 + b"]" * 4000 + b"}"),
    ("nested too deep", b'{"a":' + b"[" * 9 + b"]" * 9 + b"}"),
    ("a name that is a number", b'{"name":1}'),
    ("a name with capitals", b'{"name":"Blink"}'),
    ("a name that leads out", b'{"name":"../x"}'),
    ("an entry that is no executable", b'{"entry":"main.py"}'),
    ("an entry that is a list", b'{"entry":["app.py"]}'),
    ("a description that is none", b'{"description":null}'),
    ("capabilities in one string", b'{"capabilities":"log"}'),
    ("a capability that is a number", b'{"capabilities":[1]}'),
    ("an unknown capability", b'{"capabilities":["root"]}'),
    ("a capability twice", b'{"capabilities":["log","log"]}'),
    ("a module's name that is none", b'{"modules":["a/b"]}'),
    ("an empty module's name", b'{"modules":[""]}'),
    ("modules in one string", b'{"modules":"abc"}'),
    ("modules as an object's keys", b'{"modules":{"abc":1}}'),
    ("heap below zero", b'{"heap":-1}'),
    ("heap that is true", b'{"heap":true}'),
    ("heap with a fraction", b'{"heap":1.5}'),
    ("heap in a string", b'{"heap":"64k"}'),
    ("a restart that there is not", b'{"restart":"sometimes"}'),
    ("a restart that is true", b'{"restart":true}'),
    ("pins in a list", b'{"pins":["4"]}'),
    ("a pin that is none", b'{"pins":{"04":"low"}}'),
    ("a pin past the last", b'{"pins":{"256":"low"}}'),
    ("a state that no pin has", b'{"pins":{"4":"off"}}'),
    ("a state in a list", b'{"pins":{"4":["low"]}}'),
    ("a licence that is an object", b'{"licence":{}}'),
)


@given(FURTHER)
def test_canonical_octets_are_read_back(values: dict[str, object]) -> None:
    data = metadata.canonical(values)
    assert metadata.load(data) == values
    assert metadata.canonical(metadata.load(data)) == data


@given(FURTHER, st.randoms())
def test_the_order_of_keys_changes_nothing(values: dict[str, object], random: object) -> None:
    items = list(values.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert metadata.canonical(dict(items)) == metadata.canonical(values)


@given(st.binary(max_size=60))
def test_noise_is_refused_or_an_object(data: bytes) -> None:
    with contextlib.suppress(BadMetadata):
        assert isinstance(metadata.load(data), dict)


@pytest.mark.parametrize(("sentence", "data"), REFUSED)
def test_refused(sentence: str, data: bytes) -> None:
    with pytest.raises(BadMetadata):
        metadata.load(data)


def test_what_is_missing_is_filled_in() -> None:
    found = metadata.parse(metadata.complete(b"{}", "blink", "app.mpy"))
    assert (found.name, found.entry, found.capabilities, found.heap) == ("blink", "app.mpy", (), 0)


def test_known_keys_are_handed_out_and_further_ones_kept() -> None:
    given = {
        "description": "Blinkt – grün",
        "capabilities": ["pin:4", "bus.publish:home/#"],
        "modules": ["machine", "umqtt.simple"],
        "heap": 20000,
        "licence": "MIT",
        "sbom": [{"name": "x", "version": "1"}],
    }
    data = metadata.complete(json.dumps(given).encode(), "blink", "app.py")
    found = metadata.parse(data)
    assert found.capabilities == ("pin:4", "bus.publish:home/#")
    assert found.modules == ("machine", "umqtt.simple")
    assert found.heap == 20000
    assert found.values == given | {"name": "blink", "entry": "app.py"}


@pytest.mark.parametrize("data", [b'{"name":"other"}', b'{"entry":"app.mpy"}'])
def test_metadata_of_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadMetadata):
        metadata.complete(data, "blink", "app.py")


@pytest.mark.parametrize("data", [b"{}", b'{"name":"a"}', b'{"entry":"app.py"}'])
def test_complete_metadata_has_name_and_entry(data: bytes) -> None:
    with pytest.raises(BadMetadata, match="is missing"):
        metadata.parse(data)


def test_what_is_filled_in_counts_for_the_bound() -> None:
    with pytest.raises(BadMetadata, match="8192"):
        metadata.complete(b'{"a":"' + b"a" * 8180 + b'"}', "blink", "app.py")
