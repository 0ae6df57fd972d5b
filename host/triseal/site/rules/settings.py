"""The settings of a node, before they go onto a board: the node can't ask anybody about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from boards import addresses
from sealcore import errors, grants
from triseal.site.errors import BadSettings

MAX_GRACE = 7 * 86400
MAX_WATCHDOG = 3600
MAX_SPREAD = 12 * 3600
MAX_TRIAL = 86400
TRIAL = 300  # seconds, as `nlsm/swap.py` has it
LEAST_TRIAL = 30  # for what is changed over the link
MOST_PLACES = 4  # servers or Wi-Fi networks of one node

_MAX_SSID = 32  # bytes, IEEE 802.11 section 9.4.2.2
_PASSPHRASE = range(8, 64)  # bytes, IEEE 802.11 annex J.4
_KEY = re.compile(r"[0-9A-Fa-f]{64}")


def check(settings: Mapping[str, object]) -> None:
    """Check the settings of a node.

    Args:
        settings: the contents of a settings.json, without the node's own name and token.

    Raises:
        BadAddress: a node could not connect to the server.
        BadSettings: the node could not use another setting.
    """
    unknown = sorted(settings.keys() - _CHECKS.keys() - {"server"})
    if unknown:
        raise BadSettings(f"there is no setting {unknown[0]!r}")
    for server in _places(settings, "server"):
        addresses.check_settings({"server": server})
    for name, value in settings.items():
        if name in _CHECKS:
            _CHECKS[name](value)


def _places(settings: Mapping[str, object], name: str) -> Sequence[object]:
    """Return the servers or Wi-Fi networks of settings: one, or a list of them."""
    if name not in settings:
        return ()
    value = settings[name]
    if not isinstance(value, list | tuple) or not value or isinstance(value[0], str):
        return (value,)
    if len(value) > MOST_PLACES:
        raise BadSettings(f"{name} has {len(value)} entries, more than {MOST_PLACES}")
    return value


def check_ssid(ssid: object) -> None:
    """Check the name of a Wi-Fi.

    Args:
        ssid: the name.

    Raises:
        BadSettings: no Wi-Fi has such a name.
    """
    if not isinstance(ssid, str) or "\0" in ssid or not 1 <= _size(ssid) <= _MAX_SSID:
        raise BadSettings(f"{ssid!r} is not the name of a Wi-Fi, 1 to {_MAX_SSID} bytes")


def check_password(password: object) -> None:
    """Check the password of a Wi-Fi.

    Args:
        password: the password; "" for a Wi-Fi that has none.

    Raises:
        BadSettings: no Wi-Fi has such a password.
    """
    if not isinstance(password, str):
        raise BadSettings("the password of the Wi-Fi is not a text")
    if password == "" or _KEY.fullmatch(password):
        return
    # The message does not show the password.
    if any(letter < " " or letter == "\x7f" for letter in password):
        raise BadSettings("the password of the Wi-Fi has a control character in it")
    if _size(password) not in _PASSPHRASE:
        raise BadSettings(
            f"the password of the Wi-Fi has {_size(password)} bytes, not 8 to 63 or 64 hex digits"
        )


def read_config(pairs: list[str]) -> dict[str, str]:
    """Read the configuration for services.

    Args:
        pairs: texts as KEY=VALUE.

    Returns: the values by key.

    Raises:
        BadSettings: a text has another form, or no grant can name a key, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadSettings(f"{pair!r} is not KEY=VALUE")
        if key in found:
            raise BadSettings(f"the key {key!r} is given twice")
        found[key] = value
    _check_config(found)
    return found


def _check_config(config: object) -> None:
    if not isinstance(config, Mapping):
        raise BadSettings("the setting 'config' is not a mapping of keys to texts")
    for key, value in config.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise BadSettings(f"the key {key!r} of the configuration and its value are not texts")
        _size(key + value)
        try:
            grants.check(f"{grants.CONFIG}:{key}")
        except errors.BadGrant:
            raise BadSettings(
                f"no grant can name the key {key!r}: use letters, digits and . _ -"
            ) from None


def _check_wifi(wifi: object) -> None:
    if not isinstance(wifi, list | tuple) or len(wifi) != 2:
        raise BadSettings("the setting 'wifi' is not a name and a password")
    check_ssid(wifi[0])
    check_password(wifi[1])


def _check_wifis(wifi: object) -> None:
    for one in _places({"wifi": wifi}, "wifi"):
        _check_wifi(one)


def _between(least: int, most: int, name: str) -> Callable[[object], None]:
    def check_one(value: object) -> None:
        """Check one number of seconds."""
        if type(value) is not int or not least <= value <= most:
            raise BadSettings(f"{name} is {value!r}, not a number from {least} to {most}")

    return check_one


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise BadSettings("a setting has half of a character in it") from None


_CHECKS: dict[str, Callable[[object], None]] = {
    "config": _check_config,
    "grace": _between(0, MAX_GRACE, "grace"),
    "spread": _between(1, MAX_SPREAD, "spread"),
    "trial": _between(1, MAX_TRIAL, "trial"),
    "watchdog": _between(0, MAX_WATCHDOG, "watchdog"),
    "wifi": _check_wifis,
}
KEYS = frozenset((*_CHECKS, "server"))
