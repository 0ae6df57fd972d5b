"""The metadata of a service: strict JSON of at most 8 KiB, whose hash is in all three seals.

Known keys have a type. Other keys may be added, for example a bill of materials:

    name          the service's name, as in the seals
    description   text
    entry         the executable's file name on a board: app.py, app.mpy, app.romfs or app.bin
    capabilities  the grants that the service asks for, in the form of `sealcore.grants`
    modules       names of modules that the board must have; otherwise the node refuses the service
    heap          bytes of heap that must be free before its import; otherwise the node refuses it
    pins          the state of pins after the service has ended, by their number: "low" or "high"
                  for an output, "input" (the default) for none
    restart       "always" (the default) or "never": whether the node restarts the service after
                  it has failed
    licence       text
    kind          "service" (the default), "agent" or "firmware": what the package is on a node
    needs         of an agent: what a board must have, see `developer.agent`
    firmware      of a firmware: `chip`, as `esp32c3`; `micropython`, its version; `mpy`, the `.mpy`
                  files that it loads: `6.3-rv32imc`, or `6.3` if it loads no native code
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from boards.code.mpy import ARCHITECTURES, Target
from sealcore import errors, grants, names
from sealcore import kind as kinds
from triseal.errors import BadMetadata
from triseal.loadable import FIRMWARE, KINDS, SERVICE
from triseal.package import FIRMWARE_NAME, MAX_METADATA, NAMES

MAX_DEPTH = 8

_SIMILAR = 0.8  # between 0 and 1, see difflib
_MAX_HEAP = 1 << 32
_PIN_STATES = ("input", "low", "high")
_RESTARTS = ("always", "never")
_CHIP = re.compile(r"[a-z0-9]{1,32}", re.ASCII)
_MICROPYTHON = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}(?:-preview)?", re.ASCII)
_MPY = re.compile(r"([0-9])\.([0-9])(?:-([a-z0-9]+))?", re.ASCII)


class Firmware(NamedTuple):
    """What a firmware is.

    Attributes:
        chip: the chip that it is for, such as `esp32c3`.
        micropython: version of its MicroPython.
        target: the `.mpy` files that it loads.
    """

    chip: str
    micropython: str
    target: Target


@dataclass(frozen=True)
class Metadata:
    """Parsed metadata.

    Attributes:
        name: name of the service.
        entry: file name of the executable, one of `package.NAMES`.
        capabilities: the grants that it asks for.
        modules: the modules that it needs.
        heap: bytes of heap that it needs, 0 if it does not say.
        kind: one of KINDS.
        firmware: what it is, if it is a firmware.
        values: everything, including known keys.
    """

    name: str
    entry: str
    capabilities: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    heap: int = 0
    kind: str = SERVICE
    firmware: Firmware | None = None
    values: dict[str, object] = field(default_factory=dict)

    @property
    def chip(self) -> str:
        """The chip of a firmware, else empty."""
        return self.firmware.chip if self.firmware else ""


def parse(data: bytes) -> Metadata:
    """Parse complete metadata, with `name` and `entry`.

    Args:
        data: the JSON.

    Raises:
        BadMetadata: it does not follow the rules of this module.
    """
    values = load(data)
    for key in ("name", "entry"):
        if key not in values:
            raise BadMetadata(f"{key!r} is missing")
    kind = str(values.get("kind", SERVICE))
    _check_kind(data, kind)
    if (kind == FIRMWARE) != (values["entry"] == FIRMWARE_NAME):
        raise BadMetadata(f"{FIRMWARE_NAME} is of a firmware, and a firmware has no other entry")
    if kind == FIRMWARE and "firmware" not in values:
        raise BadMetadata("'firmware' is missing")
    return Metadata(
        name=str(values["name"]),
        entry=str(values["entry"]),
        capabilities=_strings(values.get("capabilities", [])),
        modules=_strings(values.get("modules", [])),
        heap=int(str(values.get("heap", 0))),
        kind=kind,
        firmware=_firmware(values["firmware"]) if kind == FIRMWARE else None,
        values=values,
    )


def _check_kind(data: bytes, kind: str) -> None:
    """Refuse metadata in which a node would read another kind: a node looks for text alone."""
    try:
        if kinds.of(data) == KINDS.index(kind):
            return
    except errors.WrongKind:
        pass
    raise BadMetadata(f"'kind' is {kind}, and a node would read another one")


def complete(data: bytes, name: str, entry: str) -> bytes:
    """Complete a developer's metadata with `name` and `entry`, for sealing.

    Args:
        data: the developer's JSON; b"{}" if there is none.
        name: name of the service.
        entry: file name of the executable, one of `package.NAMES`.

    Returns: the canonical JSON.

    Raises:
        BadMetadata: it is not valid, has another name or entry, or has a key that is almost one of
            the known keys.
    """
    given = load(data)
    for key in given:
        _check_spelling(key)
    values = {"name": name, "entry": entry, "capabilities": []} | given
    for key, due in (("name", name), ("entry", entry)):
        if values[key] != due:
            raise BadMetadata(f"{key!r} says {values[key]!r}, the service has {due!r}")
    result = canonical(values)
    parse(result)
    return result


def canonical(values: dict[str, object]) -> bytes:
    """Write an object in its only form: keys sorted, no blanks, UTF-8.

    Args:
        values: the object.

    Raises:
        BadMetadata: it can't be written, or is larger than 8 KiB.
    """
    try:
        text = json.dumps(
            values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        data = text.encode()
    except ValueError as error:
        raise BadMetadata(f"it can't be written as JSON in UTF-8: {error}") from None
    if len(data) > MAX_METADATA:
        raise BadMetadata(f"more than {MAX_METADATA} bytes")
    return data


def read_object(data: bytes) -> dict[str, object]:
    """Read the JSON object, without a look at its keys.

    Args:
        data: the JSON.

    Raises:
        BadMetadata: it is larger than 8 KiB, not strict JSON, or not an object.
    """
    if len(data) > MAX_METADATA:
        raise BadMetadata(f"more than {MAX_METADATA} bytes")
    try:
        values = json.loads(data.decode(), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise BadMetadata(f"not JSON in UTF-8: {error}") from None
    if not isinstance(values, dict):
        raise BadMetadata("not a JSON object")
    _check_depth(values)
    canonical(values)  # refuses values that can be read but not written: half a surrogate, infinity
    return values


def load(data: bytes) -> dict[str, object]:
    """Read the JSON object and check its known keys.

    Args:
        data: the JSON.

    Raises:
        BadMetadata: as `read_object`, or a known key has another type.
    """
    values = read_object(data)
    for key, check in _KNOWN.items():
        if key in values:
            try:
                check(values[key])
            except (ValueError, errors.SealError) as error:
                raise BadMetadata(f"{key!r}: {error}") from None
    return values


def _check_spelling(key: str) -> None:
    """Refuse a key that a person has misspelt: it would be ignored without a word."""
    near = difflib.get_close_matches(key.casefold(), _KNOWN, 1, _SIMILAR)
    if near and key not in _KNOWN:
        raise BadMetadata(f"{key!r} is not a known key: did you mean {near[0]!r}?")


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _check_depth(top: object) -> None:
    """Bound the depth, since boards read the metadata too."""
    level = [top]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = inner
    if level:
        raise BadMetadata(f"nested deeper than {MAX_DEPTH} levels")


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("not a list of strings")
    if len(set(value)) != len(value):
        raise ValueError("an item appears twice")
    return tuple(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _label(value: object) -> None:
    names.check_label(_text(value))


def _entry(value: object) -> None:
    if value not in NAMES:
        raise ValueError(f"not one of {', '.join(NAMES)}")


def _capabilities(value: object) -> None:
    for grant in _strings(value):
        grants.check(grant)


def _modules(value: object) -> None:
    for name in _strings(value):
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name!r} is not a name of a module")


def _pins(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    for number, state in value.items():
        grants.check(f"{grants.PIN}:{number}")
        if state not in _PIN_STATES:
            raise ValueError(f"{number}: not one of {', '.join(_PIN_STATES)}")


def _restart(value: object) -> None:
    if value not in _RESTARTS:
        raise ValueError(f"not one of {', '.join(_RESTARTS)}")


def _kind(value: object) -> None:
    if value not in KINDS:
        raise ValueError(f"not one of {', '.join(KINDS)}")


def _heap(value: object) -> None:
    if type(value) is not int or not 0 <= value <= _MAX_HEAP:
        raise ValueError("not a number of bytes")


def _firmware(value: object) -> Firmware:
    if not isinstance(value, dict) or value.keys() != {"chip", "micropython", "mpy"}:
        raise ValueError("not an object with chip, micropython and mpy")
    chip, micropython, mpy = (_text(value[key]) for key in ("chip", "micropython", "mpy"))
    found = _MPY.fullmatch(mpy)
    if not _CHIP.fullmatch(chip):
        raise ValueError(f"{chip!r} is no chip")
    if not _MICROPYTHON.fullmatch(micropython):
        raise ValueError(f"{micropython!r} is no version of MicroPython")
    if not found or (found[3] or "") not in ARCHITECTURES:
        raise ValueError(f"{mpy!r} names no .mpy files")
    return Firmware(chip, micropython, Target(int(found[1]), int(found[2]), found[3] or ""))


def _needs(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError("not an object")


_KNOWN: dict[str, Callable[[object], object]] = {
    "name": _label,
    "description": _text,
    "entry": _entry,
    "capabilities": _capabilities,
    "modules": _modules,
    "heap": _heap,
    "pins": _pins,
    "restart": _restart,
    "licence": _text,
    "kind": _kind,
    "needs": _needs,
    "firmware": _firmware,
}
