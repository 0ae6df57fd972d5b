"""Templates of site seals: everything except serial number, validity and signature.

For one node, service, package and set of grants everything else stays the same, and serials,
UTCTimes and RSA signatures have a fixed length. To renew a seal, 48 bytes are copied into their
places and the result is signed. It is the same as `certificate.issue` makes from these fields.
Times from 2050 on are longer (RFC 5280 section 4.1.2.5); then the parts are put together anew.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from sealcore import encode, seal, sealwriter, timetext
from sealcore.der import Reader, single
from sealcore.seal import Seal
from triseal.certificate import Validity

SERIAL_BYTES = 16
# The values in a template that a renewal replaces.
SERIAL = 1 << (8 * SERIAL_BYTES - 8)
VALIDITY = Validity(0, 0)

_SEQUENCE = 0x30
_MOST_SIGNATURE = 512  # bytes, of RSA-4096


@dataclass(frozen=True)
class SealTemplate:
    """The signed part of a site seal, with places for the values that a renewal changes.

    Attributes:
        tbs: the TBSCertificate (RFC 5280 section 4.1) with `SERIAL` and `VALIDITY`.
        algorithm: AlgorithmIdentifier of the signature, DER.
        serial_at, times_at: offsets of the serial's bytes and of the two times.
    """

    tbs: bytes
    algorithm: bytes
    serial_at: int
    times_at: int

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of the template, which identifies it."""
        return hashlib.sha256(self.tbs).digest()

    def fill(self, serial: int, validity: Validity) -> bytes:
        """Return the TBSCertificate to sign.

        Args:
            serial: serial number, from `certificate.new_serial`.
            validity: first and last second.

        Raises:
            ValueError: the serial has another length.
        """
        if serial >> (8 * SERIAL_BYTES - 8) not in range(1, 128):
            raise ValueError("the serial does not fit the template")
        times = _times(validity)
        tbs = bytearray(self.tbs)
        tbs[self.serial_at : self.serial_at + SERIAL_BYTES] = serial.to_bytes(SERIAL_BYTES, "big")
        end = self.times_at + _TIMES_BYTES
        if len(times) == _TIMES_BYTES:
            tbs[self.times_at : end] = times
            return bytes(tbs)
        begin = len(tbs) - len(single(self.tbs).data)
        before = tbs[begin : self.times_at - _VALIDITY_HEADER]
        return encode.sequence(bytes(before), encode.sequence(times), bytes(tbs[end:]))

    def assemble(self, serial: int, validity: Validity, signature: bytes) -> bytes:
        """Assemble a seal from its parts.

        Args:
            serial: its serial number.
            validity: first and last second.
            signature: its signature.

        Returns: the seal, DER.
        """
        return sealwriter.signed(self.fill(serial, validity), self.algorithm, signature)

    def content(self) -> Seal:
        """Return the common content of this template's seals, without what a renewal changes."""
        return seal.parse(self.assemble(SERIAL, VALIDITY, bytes(_MOST_SIGNATURE)), seal.SITE)


@functools.lru_cache(maxsize=64)
def _times(validity: Validity) -> bytes:
    """Encode both times, DER. Seals that are issued in the same second share them."""
    return timetext.der(validity.not_before) + timetext.der(validity.not_after)


_TIMES_BYTES = len(_times(VALIDITY))
_VALIDITY_HEADER = 2  # bytes before them: tag and length


def from_tbs(tbs: bytes) -> SealTemplate:
    """Make a template from its TBSCertificate: the places are found by parsing it.

    Args:
        tbs: the TBSCertificate, DER.
    """
    header = len(tbs) - len(single(tbs).data)
    reader = Reader(memoryview(tbs)[header:])
    reader.element()  # version
    reader.integer()
    serial_end = header + reader.pos
    algorithm = bytes(reader.element(_SEQUENCE))
    reader.element(_SEQUENCE)  # issuer
    reader.element(_SEQUENCE)  # validity
    times_at = header + reader.pos - _TIMES_BYTES
    return SealTemplate(tbs, algorithm, serial_end - SERIAL_BYTES, times_at)


def issuer_of(tbs: bytes) -> bytes:
    """Return the name of the issuer in a template, DER.

    Args:
        tbs: the TBSCertificate, DER.
    """
    reader = single(tbs)
    reader.element()  # version
    reader.integer()
    reader.element(_SEQUENCE)  # algorithm
    return bytes(reader.element(_SEQUENCE))
