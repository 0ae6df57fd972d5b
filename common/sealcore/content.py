"""Steps 9 and 10 of `custody`: the security version, the metadata and the executable.

A small board loads this module only after it has verified all signatures.
"""

import hashlib

from . import errors
from .compat import const, sha256

_MAX_METADATA = const(8192)
_BLOCK = const(512)
_SERVICE = const(0x80)


def check(cert, package, floor: int, may: int, what: str) -> None:
    """Run steps 9 and 10. They read at most one block beyond the sealed size.

    Args:
        cert: the seal that states what the content must be.
        package: see above.
        floor: highest security version accepted for this service so far.
        may: the bits of the kinds that the developer may sign.
        what: the kind that the metadata must state; "" for any.

    Raises: Rollback, MetadataMismatch, WrongKind, UntrustedKind or HashMismatch.
    """
    if cert.security_version < floor:  # 9
        raise errors.Rollback
    metadata = package.metadata
    if len(metadata) > _MAX_METADATA:  # 1
        raise errors.TooLarge
    if sha256(metadata) != cert.metadata_hash:  # 10
        raise errors.MetadataMismatch
    if what != "service" or not may & _SERVICE or b'"kind":' in metadata:
        from . import kind

        kind.check(metadata, may, what)
    stream = package.executable
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK))
    left = cert.executable_size
    count = 1
    while count and left >= 0:
        count = stream.readinto(block)
        digest.update(block[:count])
        left -= count
    if left or digest.digest() != cert.executable_hash:  # 10
        raise errors.HashMismatch
