"""The handler of FACTS: it keeps what a node says about itself, bounded and cleaned."""

from __future__ import annotations

import logging
import re

from sealcore import messages
from triseal.errors import Failure
from triseal.site.records import labels, nodes, nodesettings, vitals
from triseal.site.records.vitals import Vitals
from triseal.site.rules import configuring, selector
from triseal.site.server.signing.task import Answer, Snapshot

# Versions of the settings in force and given up, number of .mpy files, free heap, free flash,
# uptime, texts.
Told = tuple[int, int, int, int, int, int, list[str]]

LARGEST = 2**31 - 2  # version of settings that can be followed by another one
_TEXTS = 5  # those that the site knows; a newer node may say more
_log = logging.getLogger(__name__)
_PARTITIONS = re.compile(r"([a-z0-9_]{1,16}) ([1-9][0-9]{0,9})", re.ASCII)
_WITH = " with "  # a port writes "BOARD with CHIP"


def facts(
    snapshot: Snapshot, node: str, told: Told, address: str = "", bundle: int = 0
) -> tuple[Answer, int]:
    """Keep what a node says about itself, and send it newer settings.

    All of it are claims. They choose nodes for rules, and protect nothing.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        told: the values of the FACTS.
        address: network address of the node; "" at a serial line.
        bundle: version of its trust bundle.

    Returns: the answer, and the version of the settings that the node then has or tries.
    """
    settings, gave_up, number, heap, flash, uptime, texts = told
    known = as_values(number, texts)
    before = vitals.of(snapshot.connection, node)
    if before is not None and not gave_up and before.gave_up > settings:
        gave_up = before.gave_up  # it was reset since, and does not remember it
    now = Vitals(heap, flash, uptime, settings, gave_up, address, snapshot.now)
    answer = Answer(counts={"facts": 1}, services=frozenset())
    answer.writes.append(lambda connection: labels.tell(connection, node, known, snapshot.now))
    answer.writes.append(lambda connection: vitals.tell(connection, node, now))
    answer.writes.append(lambda connection: nodes.heard(connection, node, snapshot.now))
    answer.writes.append(lambda connection: configuring.settled(connection, node, settings))
    return answer, _settle(snapshot, answer, node, (settings, gave_up), bundle)


def settle(snapshot: Snapshot, answer: Answer, node: str, told: int, bundle: int) -> int:
    """Add newer settings for a connected node to an answer, unless it gave them up.

    Args:
        snapshot: the state of the site.
        answer: the answer to add to.
        node: name of the node, from its certificate.
        told: version of the settings that it has or was sent.
        bundle: version of its trust bundle.

    Returns: the version of the settings that the node then has or tries.
    """
    known = vitals.of(snapshot.connection, node)
    return _settle(snapshot, answer, node, (told, known.gave_up if known else 0), bundle)


def _settle(
    snapshot: Snapshot, answer: Answer, node: str, has: tuple[int, int], bundle: int
) -> int:
    told, gave_up = has
    newest = nodesettings.version(snapshot.connection, node)
    if newest < max(has) < LARGEST:
        # A backup was restored. What the site has now must count as newer.
        newest = max(has) + 1
        least = newest
        answer.writes.append(lambda connection: nodesettings.raise_to(connection, node, least))
        _log.warning("settings that the database lacks", extra={"node": node, "version": max(has)})
    if newest <= told or newest == gave_up:
        return told
    try:
        values = configuring.assembled(snapshot.connection, node, snapshot.slca.open_secret)
    except Failure as error:  # everything else goes on
        extra = {"node": node, "code": error.code, "detail": error.detail}
        _log.error("settings can't be sent", extra=extra)
        return told
    slca = snapshot.authority.known_to(bundle)
    der = slca.sign_settings(node, newest, snapshot.now, values)
    answer.frames.append(messages.frame(messages.write(messages.SETTINGS, der)))
    answer.count("settings")
    return newest


def as_values(number: int, texts: list[str]) -> dict[str, str]:
    """Return the facts of a node by key, each of them fit for a selector.

    Args:
        number: the number of its .mpy files, as sys.implementation._mpy has it.
        texts: board, version of MicroPython, port, version of the agent, and of a board that takes
            firmware over the link the name of its partition and the size of the other one.
    """
    machine, python, port, agent, partitions = [*texts[:_TEXTS], *[""] * _TEXTS][:_TEXTS]
    board, _, chip = machine.partition(_WITH)
    said = {
        "board": board,
        "chip": chip.lower(),
        "micropython": python,
        "port": port,
        "agent": agent,
        "mpy": mpy_of(number),
    }
    found = _PARTITIONS.fullmatch(partitions)
    if found:
        said |= {"slot": found[1], "spare": found[2]}
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
