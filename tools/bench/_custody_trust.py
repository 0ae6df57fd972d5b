"""What MicroPython runs for the bench `custody` before the check: it reads the trust bundle."""

from bench._custody_check import read
from sealcore import bundle


def load(kept):  # type: ignore[no-untyped-def]
    """Give `kept` the keys of the bundle in this folder, and return it.

    They are copied, so that what has read them can be forgotten. The bundle's signature was checked
    when the node took it.
    """
    found = bundle.parse(read("trust"))
    kept.site = found.site
    kept.site_keys = entries(found.site_keys)
    kept.store_keys = entries(found.store_keys)
    kept.developers = entries(found.developers)
    return kept


def entries(found: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Pairs of bytes of their own."""
    return tuple((bytes(name), bytes(key)) for name, key in found)
