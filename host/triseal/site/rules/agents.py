"""Which nodes can take an agent or a firmware: decided before anything is sent, by what they said.

A node decides again when the site's seal for it arrives: what it says here protects nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from sealcore import messages
from triseal import metadata, protocol
from triseal.metadata import Metadata
from triseal.site.errors import UnfitBoards
from triseal.site.records import labels, services, vitals
from triseal.site.records.vitals import Vitals
from triseal.site.rules import firmwares
from triseal.site.rules.firmwares import numbers

_UNKNOWN = "has never said what it is: it was not connected yet, or its agent is too old"
_NAMED = 5  # number of nodes that a refusal names
_SPARE = 32768  # bytes of flash that a node keeps free, as `nlsm/swap.py` has it


def check(connection: Connection, package: bytes, on: Collection[str]) -> None:
    """Check that nodes can take a package if it is an agent or a firmware, and no service.

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
    reasons = {}
    for node in sorted(on):
        told = facts.get(node, {})
        if node not in present:
            reasons[node] = _UNKNOWN
        elif described.firmware:
            reasons[node] = firmwares.reason(connection, described.firmware, size, node, told)
        else:
            reasons[node] = _reason(described, size, told, present[node])
    unfit = [f"{node} {reason}" for node, reason in reasons.items() if reason]
    if unfit:
        more = f", and {len(unfit) - _NAMED} more" if len(unfit) > _NAMED else ""
        raise UnfitBoards("; ".join(unfit[:_NAMED]) + more)


def _reason(described: Metadata, size: int, facts: dict[str, str], present: Vitals) -> str:
    """Return why a node can't take an agent, or ""."""
    needs = described.values.get("needs")
    needs = needs if isinstance(needs, dict) else {}
    if needs.get("protocol", messages.PROTOCOL) not in protocol.SERVED:
        return f"could not talk to this site: protocol {needs['protocol']}, not {messages.PROTOCOL}"
    python = facts.get("micropython", "")
    if numbers(python) < numbers(str(needs.get("micropython", ""))):
        return f"runs MicroPython {python}, and the agent needs {needs['micropython']}"
    loads = facts.get("mpy", "").partition(".")[0]
    if loads != str(needs.get("mpy", loads)):
        return f"loads .mpy files of version {loads or 'none'}, the agent has {needs['mpy']}"
    if present.flash < size + _SPARE:
        return f"has {present.flash} bytes of flash left, the agent needs {size + _SPARE}"
    return ""
