"""Where a signing key is kept, as a URI: `file:PATH`, or `pkcs11:...` for a token (RFC 7512).

    pkcs11:token=house;object=slca
    pkcs11:serial=0123;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin

A PIN in the URI itself (`pin-value`) is refused: command lines and settings are not secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from triseal.errors import BadKeyURI

SCHEME = "pkcs11:"
MAX_SIZE = 1024

_FILE = "file:"
# RFC 7512 section 2.3: the characters that need no %XX, in a path and in a query.
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})+")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})+")
_NAMES = {
    "token": "token",
    "serial": "serial",
    "manufacturer": "manufacturer",
    "model": "model",
    "object": "object",
    "id": "id",
    "type": "type",
    "module-path": "module",
    "pin-source": "pin_file",
}
_IN_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True)
class TokenKey:
    """A key on a PKCS #11 token. What is empty is not compared.

    Attributes:
        token: label of the token.
        serial: serial number of the token.
        manufacturer: manufacturer of the token.
        model: model of the token.
        object: label of the key.
        id: identifier of the key, bytes.
        type: "private" or "".
        module: path of the PKCS #11 module.
        pin_file: path of a file with the PIN in its first line.
    """

    token: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    object: str = ""
    id: bytes = b""
    type: str = ""
    module: str = ""
    pin_file: str = ""

    @property
    def name(self) -> str:
        """The key in a few words, for messages."""
        return f"{self.object or self.id.hex()} on the token {self.token or self.serial}"


def is_token(uri: str) -> bool:
    """Return whether a URI names a key on a token. The scheme may have capitals (RFC 3986).

    Args:
        uri: any text.
    """
    return uri[: len(SCHEME)].lower() == SCHEME


def parse(uri: str) -> TokenKey | Path:
    """Read the URI of a key.

    Args:
        uri: `pkcs11:...`, `file:PATH` or a path.

    Returns: the key on a token, or the path of a key file.

    Raises:
        BadKeyURI: it is not written as RFC 7512 says, it has an attribute that is not known here,
            it names no token or no key, or it holds a PIN.
    """
    if len(uri) > MAX_SIZE or "\0" in uri:
        raise BadKeyURI(f"it has more than {MAX_SIZE} characters, or a zero byte")
    if not is_token(uri):
        path = uri.removeprefix(_FILE)
        if not path:
            raise BadKeyURI("it names no file")
        return Path(path)
    path_part, question, query = uri[len(SCHEME) :].partition("?")
    found = _attributes(path_part, ";", _PATH, [name for name in _NAMES if name not in _IN_QUERY])
    if question:
        found |= _attributes(query, "&", _QUERY, _IN_QUERY)
    return _checked(found)


def _attributes(
    text: str, divider: str, form: re.Pattern[str], known: Collection[str]
) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(divider) if text else []:
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise BadKeyURI("it holds a PIN, which others can read there; give pin-source=file:...")
        if name not in known:
            raise BadKeyURI(f"the attribute {name[:32]!a} is not known here")
        if name in found:
            raise BadKeyURI(f"it has {name} twice")
        if not equals or not form.fullmatch(value):
            raise BadKeyURI(f"the value of {name} is not written as RFC 7512 says")
        found[name] = unquote_to_bytes(value)
    return found


def _checked(found: Mapping[str, bytes]) -> TokenKey:
    values: dict[str, str | bytes] = {}
    for name, value in found.items():
        values[_NAMES[name]] = value if name == "id" else _text(name, value)
    if values.get("type", "private") != "private":
        raise BadKeyURI("its type is not private")
    pin_file = str(values.get("pin_file", ""))
    values["pin_file"] = pin_file.removeprefix(_FILE)
    if pin_file.startswith("|"):
        raise BadKeyURI("its PIN comes from a command, which is not supported")
    key = TokenKey(**values)  # type: ignore[arg-type]
    if not key.token and not key.serial:
        raise BadKeyURI("it names no token: give token=LABEL or serial=NUMBER")
    if not key.object and not key.id:
        raise BadKeyURI("it names no key: give object=LABEL or id=%XX")
    return key


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise BadKeyURI(f"the value of {name} is not UTF-8") from None
    if not text.isprintable():
        raise BadKeyURI(f"the value of {name} has characters that can't be printed")
    return text
