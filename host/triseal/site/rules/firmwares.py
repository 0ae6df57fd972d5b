"""Which nodes can take a firmware: decided before anything is sent, by what they have said."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Connection

from boards.provision import OLDEST
from triseal import loadable, metadata
from triseal.errors import BadExecutable
from triseal.loadable import AGENT, SERVICE
from triseal.metadata import Firmware
from triseal.site.records import services
from triseal.site.rules import selector

_NUMBERS = re.compile(r"\d+")


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers in a version of MicroPython, such as `1.29.0-preview`.

    Args:
        version: the version.
    """
    return tuple(int(number) for number in _NUMBERS.findall(version))


def reason(
    connection: Connection, firmware: Firmware, size: int, node: str, facts: Mapping[str, str]
) -> str:
    """Return why a node can't take a firmware, or "".

    Args:
        connection: any transaction.
        firmware: what its metadata says.
        size: bytes of the image.
        node: name of the node.
        facts: what the node has said about itself, by key.
    """
    if not facts.get("spare"):
        return "has no spare partition for a firmware"
    chip = facts.get("chip") or facts.get("port", "")
    if chip != selector.fit(firmware.chip):
        return f"has the chip {chip}, and the firmware is for {firmware.chip}"
    if int(facts["spare"]) < size:
        return f"has a spare partition of {facts['spare']} bytes, and the firmware has {size}"
    for name in services.assigned(connection, node):
        one = services.load(connection, services.get(connection, name).package)
        described = metadata.parse(one.metadata)
        if described.kind == SERVICE:
            try:
                loadable.check_fits(one.name, one.executable, firmware.target)
            except BadExecutable as error:
                return f"has the service {name}, which this firmware can't load: {error.detail}"
        needs = described.values.get("needs")
        if described.kind == AGENT and isinstance(needs, dict):
            least = numbers(str(needs.get("micropython", "")))
            if numbers(firmware.micropython) < least:
                return f"has the agent {name}, which needs MicroPython {needs['micropython']}"
    if numbers(firmware.micropython) < OLDEST:
        least_text = ".".join(map(str, OLDEST))
        return f"has an agent, which needs MicroPython {least_text}, not {firmware.micropython}"
    return ""
