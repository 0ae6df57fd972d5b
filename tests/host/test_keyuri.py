"""The URI of a key is read strictly (RFC 7512)."""

from __future__ import annotations

import contextlib
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triseal import keyuri
from triseal.errors import BadKeyURI
from triseal.keyuri import TokenKey

ACCEPTED: list[tuple[str, TokenKey | Path]] = [
    ("pkcs11:token=house;object=slca", TokenKey(token="house", object="slca")),
    ("PKCS11:token=house;object=slca", TokenKey(token="house", object="slca")),
    ("pkcs11:object=a%20b;token=%C3%A9", TokenKey(token="é", object="a b")),
    (
        "pkcs11:serial=01;id=%00%FF;type=private",
        TokenKey(serial="01", id=b"\0\xff", type="private"),
    ),
    ("pkcs11:token=t;id=ab", TokenKey(token="t", id=b"ab")),
    (
        "pkcs11:token=t;object=k?module-path=/usr/lib/m.so&pin-source=file:/run/pin",
        TokenKey(token="t", object="k", module="/usr/lib/m.so", pin_file="/run/pin"),
    ),
    (
        "pkcs11:token=t;object=k;model=m;manufacturer=f?pin-source=/run/pin",
        TokenKey(token="t", object="k", model="m", manufacturer="f", pin_file="/run/pin"),
    ),
    ("file:/a/b", Path("/a/b")),
    ("/a/b", Path("/a/b")),
    ("a b", Path("a b")),
]

REFUSED = {
    "nothing": "",
    "no file": "file:",
    "no attribute": "pkcs11:",
    "no token": "pkcs11:object=slca",
    "no key": "pkcs11:token=house",
    "an empty value": "pkcs11:token=;object=slca",
    "no value": "pkcs11:token;object=slca",
    "an attribute twice": "pkcs11:token=a;token=b;object=slca",
    "an unknown attribute": "pkcs11:token=a;object=b;colour=red",
    "a slot": "pkcs11:token=a;object=b;slot-id=1",
    "an attribute of the query in the path": "pkcs11:token=a;object=b;pin-source=/x",
    "an attribute of the path in the query": "pkcs11:token=a?object=b",
    "a PIN": "pkcs11:token=a;object=b?pin-value=1234",
    "a PIN in the path": "pkcs11:token=a;object=b;pin-value=1234",
    "a PIN by a command": "pkcs11:token=a;object=b?pin-source=|cat%20/x",
    "a public key": "pkcs11:token=a;object=b;type=public",
    "half of a %XX": "pkcs11:token=a%2;object=b",
    "no hex in a %XX": "pkcs11:token=a%zz;object=b",
    "a blank": "pkcs11:token=a b;object=b",
    "a newline": "pkcs11:token=a;object=b\n",
    "no UTF-8": "pkcs11:token=%ff;object=b",
    "a control character": "pkcs11:token=%07;object=b",
    "a zero byte": "pkcs11:token=a%00b;object=b",
    "a divider at the end": "pkcs11:token=a;object=b;",
    "too long": "pkcs11:token=a;object=" + "b" * keyuri.MAX_SIZE,
}


@pytest.mark.parametrize(("uri", "expected"), ACCEPTED)
def test_what_is_accepted(uri: str, expected: TokenKey | Path) -> None:
    assert keyuri.parse(uri) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    with pytest.raises(BadKeyURI) as caught:
        keyuri.parse(REFUSED[name])
    assert "1234" not in str(caught.value)  # a PIN is in no message


@given(
    token=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=16),
    label=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=16),
    number=st.binary(max_size=8),
)
def test_a_round_trip(token: str, label: str, number: bytes) -> None:
    parts = [f"token={urllib.parse.quote(token, safe='')}"]
    parts.append(f"object={urllib.parse.quote(label, safe='')}")
    if number:
        parts.append("id=" + "".join(f"%{byte:02x}" for byte in number))
    assert keyuri.parse("pkcs11:" + ";".join(parts)) == TokenKey(
        token=token, object=label, id=number
    )


@given(st.text(max_size=60))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadKeyURI):
        keyuri.parse("pkcs11:" + text)
