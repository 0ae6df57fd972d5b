"""The entries of a Store's log.

LogEntry ::= SEQUENCE {
    label          UTF8String ("triseal log entry v1"),
    kind           UTF8String (SIZE(1..32)),         -- of a-z, 0-9 and dash
    time           INTEGER,                          -- Unix seconds
    service        UTF8String (SIZE(0..63)),
    version        UTF8String (SIZE(0..32)),
    developerSeal  [0] OCTET STRING (SIZE(32)) OPTIONAL,   -- each is a SHA-256
    storeSeal      [1] OCTET STRING (SIZE(32)) OPTIONAL,
    package        [2] OCTET STRING (SIZE(32)) OPTIONAL,   -- with both seals, without the proof
    detail         UTF8String (SIZE(0..1024)) }
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sealcore import der, encode, errors
from triseal.log.errors import BadLogData

LABEL = "triseal log entry v1"
RELEASE = "release"  # a Store has countersigned a release
RESEAL = "reseal"  # it has countersigned the same content again
DEVELOPER = "developer-approved"
MAX_SIZE = 2048
MAX_DETAIL = 1024
_MAX_TIME = 1 << 40
_KIND = re.compile("[a-z0-9-]{1,32}")
_HASH = 32
_TAGS = (0x80, 0x81, 0x82)


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        kind: what happened, RELEASE or another text of a-z, 0-9 and dash.
        time: when, Unix seconds, as the Store says.
        service, version: of the release; "" if the entry is about none.
        developer_seal, store_seal, package: SHA-256 of each; b"" if the entry is about none.
        detail: what else belongs to this kind.
    """

    kind: str
    time: int
    service: str = ""
    version: str = ""
    developer_seal: bytes = b""
    store_seal: bytes = b""
    package: bytes = b""
    detail: str = ""

    def der(self) -> bytes:
        """Encode the entry, DER."""
        hashes = zip(_TAGS, (self.developer_seal, self.store_seal, self.package), strict=True)
        return bytes(
            encode.sequence(
                encode.text(LABEL),
                encode.text(self.kind),
                encode.integer(self.time),
                encode.text(self.service),
                encode.text(self.version),
                *[encode.octets(value, tag) for tag, value in hashes if value],
                encode.text(self.detail),
            )
        )


def parse(data: bytes) -> Entry:
    """Parse an entry of any kind: newer Stores may have more of them.

    Args:
        data: the entry, DER.

    Raises:
        BadLogData: it is not an entry.
    """
    try:
        return _parse(data)
    except errors.SealError:
        raise BadLogData("not an entry of a Store's log") from None


def _parse(data: bytes) -> Entry:
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("log entry")
    fields = der.single(data)
    if fields.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER("not a log entry")
    kind = fields.text(1, 32)
    if not _KIND.fullmatch(kind):
        raise errors.MalformedDER("kind of a log entry")
    time = fields.unsigned(0, _MAX_TIME)
    service, version = fields.text(0, 63), fields.text(0, 32)
    developer_seal, store_seal, package = [
        bytes(fields.octets(_HASH, _HASH, tag)) if fields.peek() == tag else b"" for tag in _TAGS
    ]
    detail = fields.text(0, MAX_DETAIL)
    fields.end()
    return Entry(kind, time, service, version, developer_seal, store_seal, package, detail)
