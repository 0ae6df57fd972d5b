"""The record from which the boot loader of an ESP32 knows what it starts (`otadata`).

It has two entries in a block each; the one with the higher number counts. This module also runs on
MicroPython, where tests have a boot loader in memory.
"""

import binascii
import struct

BLOCK = 4096
NEW, PENDING, VALID, INVALID, ABORTED = range(5)

_ENTRY = "<I20sII"  # sequence number, label, state, CRC of the sequence number
_STATE_AT = 24
_UNSET = 0xFFFFFFFF


def entries(data: bytes) -> list[tuple[int, int]]:
    """Return both entries: sequence number (0 if there is none) and state.

    Args:
        data: the record.
    """
    found = []
    for at in (0, BLOCK):
        sequence, _, state, crc = struct.unpack_from(_ENTRY, data, at)
        good = sequence != _UNSET and crc == binascii.crc32(data[at : at + 4], _UNSET)
        found.append((sequence if good else 0, state))
    return found


def select(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Choose what starts at a reset, with rollback.

    Args:
        data: the record.

    Returns:
        The number of the partition, and the changes to write: place and new state of an entry.
    """
    found = entries(data)
    changes = []
    for number in (0, 1):
        sequence, state = found[number]
        if state == PENDING:  # it was started, and not marked as valid
            found[number] = sequence, ABORTED
            changes.append((number * BLOCK + _STATE_AT, ABORTED))
    usable = [n for n in (0, 1) if found[n][0] and found[n][1] not in (INVALID, ABORTED)]
    if not usable:
        return 0, changes
    newest = max(usable, key=lambda number: found[number][0])
    if found[newest][1] == NEW:
        changes.append((newest * BLOCK + _STATE_AT, PENDING))
    return (found[newest][0] - 1) % 2, changes
