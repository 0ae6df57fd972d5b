"""The handler of FACTS: it keeps what a node says about itself, bounded and cleaned."""

from __future__ import annotations

from triseal.site.records import labels, nodes, vitals
from triseal.site.records.vitals import Vitals
from triseal.site.rules import selector
from triseal.site.server.signing.task import Answer, Snapshot

# Versions of the settings in force and given up, number of .mpy files, free heap, free flash,
# uptime, texts.
Told = tuple[int, int, int, int, int, int, list[str]]

_TEXTS = 4  # those that the site knows; a newer node may say more
_WITH = " with "  # a port writes "BOARD with CHIP"


def facts(snapshot: Snapshot, node: str, told: Told, address: str) -> Answer:
    """Keep what a node says about itself.

    All of it are claims. They choose nodes for rules, and protect nothing.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        told: the values of the FACTS.
        address: network address of the node; "" at a serial line.
    """
    settings, gave_up, number, heap, flash, uptime, texts = told
    known = as_values(number, texts)
    now = Vitals(heap, flash, uptime, settings, gave_up, address, snapshot.now)
    answer = Answer(counts={"facts": 1}, services=frozenset())
    answer.writes.append(lambda connection: labels.tell(connection, node, known, snapshot.now))
    answer.writes.append(lambda connection: vitals.tell(connection, node, now))
    answer.writes.append(lambda connection: nodes.heard(connection, node, snapshot.now))
    return answer


def as_values(number: int, texts: list[str]) -> dict[str, str]:
    """Return the facts of a node by key, each of them fit for a selector.

    Args:
        number: the number of its .mpy files, as sys.implementation._mpy has it.
        texts: board, version of MicroPython, port and version of the agent.
    """
    machine, python, port, agent = [*texts[:_TEXTS], *[""] * _TEXTS][:_TEXTS]
    board, _, chip = machine.partition(_WITH)
    said = {
        "board": board,
        "chip": chip.lower(),
        "micropython": python,
        "port": port,
        "agent": agent,
        "mpy": mpy_of(number),
    }
    fit = {key: selector.fit(value) for key, value in said.items()}
    return {key: value for key, value in fit.items() if value}


def mpy_of(number: int) -> str:
    """Return the form of .mpy files that a board loads, such as `6.3-armv6m`.

    Args:
        number: as sys.implementation._mpy has it; 0 if the port loads none.
    """
    if not number:
        return ""
    version, minor, arch = number & 0xFF, number >> 8 & 3, number >> 10 & 0x3F
    return f"{version}.{minor}" + (f"-{arch}" if arch else "")
