"""A site seal with all but serial number, validity and signature laid out in advance.

For one node, service, package and set of grants, everything else in a seal stays the same; and
serials, UTCTimes and (RSA) signatures have one length each. So renewing a seal is copying 48 octets
into place and signing. The result is what `certificate.issue` makes of the same fields.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from sealcore import seal, sealwriter, timetext
from sealcore.der import Reader, single
from sealcore.seal import Seal
from triseal.certificate import Validity
from triseal.signer import Signer

SERIAL_OCTETS = 16
# What stands in a template for what a renewal puts there.
SERIAL = 1 << (8 * SERIAL_OCTETS - 8)
VALIDITY = Validity(0, 0)

_SEQUENCE = 0x30
_MOST_SIGNATURE = 512  # octets, of RSA-4096


@dataclass(frozen=True)
class SealTemplate:
    """The signed part of a site seal, with places for what a renewal changes.

    Attributes:
        tbs: the TBSCertificate with `SERIAL` and `VALIDITY`.
        algorithm: AlgorithmIdentifier of the signature, DER.
        serial_at, times_at: where the serial's octets and the two times begin.
    """

    tbs: bytes
    algorithm: bytes
    serial_at: int
    times_at: int

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of the template, which names it."""
        return hashlib.sha256(self.tbs).digest()

    def fill(self, serial: int, validity: Validity) -> bytes:
        """The TBSCertificate to sign.

        Args:
            serial: from `certificate.new_serial`.
            validity: before 2050, where times have another form.

        Raises:
            ValueError: a serial or time of another length.
        """
        times = _times(validity)
        if len(times) != _TIMES_OCTETS or serial >> (8 * SERIAL_OCTETS - 8) not in range(1, 128):
            raise ValueError("serial or validity does not fit the template")
        tbs = bytearray(self.tbs)
        tbs[self.serial_at : self.serial_at + SERIAL_OCTETS] = serial.to_bytes(SERIAL_OCTETS, "big")
        tbs[self.times_at : self.times_at + _TIMES_OCTETS] = times
        return bytes(tbs)

    def assemble(self, serial: int, validity: Validity, signature: bytes) -> bytes:
        """The seal, DER, from the parts that were kept of it."""
        return sealwriter.signed(self.fill(serial, validity), self.algorithm, signature)

    def content(self) -> Seal:
        """What seals of this template say, with neither serial, validity nor signature."""
        return seal.parse(self.assemble(SERIAL, VALIDITY, bytes(_MOST_SIGNATURE)), seal.SITE)

    def sign(self, signer: Signer, serial: int, validity: Validity) -> bytes:
        """A signature for these fields; `assemble` makes the seal of it."""
        return signer.sign(self.fill(serial, validity))


@functools.lru_cache(maxsize=64)
def _times(validity: Validity) -> bytes:
    """Both times, DER; seals that are issued in one second have them in common."""
    return timetext.der(validity.not_before) + timetext.der(validity.not_after)


_TIMES_OCTETS = len(_times(VALIDITY))


def from_tbs(tbs: bytes) -> SealTemplate:
    """The template whose TBSCertificate this is, its places found by reading it."""
    header = len(tbs) - len(single(tbs).data)
    reader = Reader(memoryview(tbs)[header:])
    reader.element()  # version
    reader.integer()
    serial_end = header + reader.pos
    algorithm = bytes(reader.element(_SEQUENCE))
    reader.element(_SEQUENCE)  # issuer
    reader.element(_SEQUENCE)  # validity
    times_at = header + reader.pos - _TIMES_OCTETS
    return SealTemplate(tbs, algorithm, serial_end - SERIAL_OCTETS, times_at)
