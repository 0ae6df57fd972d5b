"""Which nodes can take an agent: decided before anything is sent, by what they have said.

A node decides again when the site's seal for the agent arrives: what it says here protects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlalchemy import Connection

from sealcore import messages
from triseal import metadata
from triseal.loadable import SERVICE
from triseal.metadata import Metadata
from triseal.site.errors import UnfitBoards
from triseal.site.records import labels, services, vitals
from triseal.site.records.vitals import Vitals

_NAMED = 5  # number of nodes that a refusal names
_SPARE = 32768  # bytes of flash that a node keeps free, as `nlsm/swap.py` has it
_NUMBERS = re.compile(r"\d+")


def check(connection: Connection, package: bytes, on: Collection[str]) -> None:
    """Check that nodes can take a package if it is an agent. Does nothing for a service.

    Args:
        connection: any transaction.
        package: digest of the package.
        on: names of the nodes.

    Raises:
        UnfitBoards: one of the nodes can't take it.
    """
    if not services.lasts(connection, package):
        return
    loaded = services.load(connection, package)
    described = metadata.parse(loaded.metadata)
    facts, present = labels.told(connection), vitals.every(connection)
    size = len(loaded.executable)
    reasons = {
        node: _reason(described, size, facts.get(node, {}), present.get(node))
        for node in sorted(on)
    }
    unfit = [f"{node} {reason}" for node, reason in reasons.items() if reason]
    if unfit:
        more = f", and {len(unfit) - _NAMED} more" if len(unfit) > _NAMED else ""
        raise UnfitBoards("; ".join(unfit[:_NAMED]) + more)


def _reason(described: Metadata, size: int, facts: dict[str, str], present: Vitals | None) -> str:
    """Return why a node can't take an agent, or ""."""
    if described.kind == SERVICE or not described.values:
        return ""
    if present is None:
        return "has never said what it is: it was not connected yet, or its agent is too old"
    needs = described.values.get("needs")
    needs = needs if isinstance(needs, dict) else {}
    if needs.get("protocol", messages.PROTOCOL) != messages.PROTOCOL:
        return f"could not talk to this site: protocol {needs['protocol']}, not {messages.PROTOCOL}"
    python = facts.get("micropython", "")
    if _numbers(python) < _numbers(str(needs.get("micropython", ""))):
        return f"runs MicroPython {python}, and the agent needs {needs['micropython']}"
    loads = facts.get("mpy", "").partition(".")[0]
    if loads != str(needs.get("mpy", loads)):
        return f"loads .mpy files of version {loads or 'none'}, the agent has {needs['mpy']}"
    if present.flash < size + _SPARE:
        return f"has {present.flash} bytes of flash left, the agent needs {size + _SPARE}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBERS.findall(version))
