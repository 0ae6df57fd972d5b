"""Run by MicroPython beside `_custody_check`: the bare minimum, three times pow and the hash."""

# ruff: noqa: PTH123 - MicroPython has no pathlib.

import hashlib

pairs = []  # signature and modulus of each seal
with open("numbers", "rb") as file:
    while data := file.read(512):
        pairs.append((int.from_bytes(data[:256], "big"), int.from_bytes(data[256:], "big")))


def check() -> None:
    """Raise the signatures to their public power, and hash the executable."""
    for signature, modulus in pairs:
        pow(signature, 65537, modulus)
    digest = hashlib.sha256()
    block = memoryview(bytearray(512))
    with open("executable", "rb") as file:
        while count := file.readinto(block):
            digest.update(block[:count])
    digest.digest()
