"""Evidence against a Store: its log says that it sealed what no developer signed.

    SealEvidence ::= SEQUENCE {
        label   UTF8String ("triseal seal evidence v1"),
        key     UTF8String,                      -- of the log, as a vkey
        proof   UTF8String,                      -- that the log has the entry (c2sp.org/tlog-proof)
        seal    OCTET STRING }                   -- what the entry names as the developer seal

The log's key has signed that a release was sealed upon this developer seal. But it is not a seal,
or the key in it has not signed it. A Store checks that before it seals anything, so no honest Store
has such an entry, whoever sent it what.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealcore import der, encode, errors, keys, limits, seal
from sealcore.compat import sha256
from triseal.errors import NoContradiction
from triseal.log import entry, note, proof
from triseal.log.errors import UnknownLog

LABEL = "triseal seal evidence v1"
MAX_SIZE = proof.MAX_SIZE + limits.MAX_SEAL + 1024
_MAX_KEY = 512
_KINDS = (entry.RELEASE, entry.RESEAL)


@dataclass(frozen=True)
class Unsigned:
    """Parsed evidence, which need not be true.

    Attributes:
        key: the log's key.
        proof: that the log has the entry.
        seal: what the entry names as the developer seal.
    """

    key: note.Key
    proof: proof.Proof
    seal: bytes

    @property
    def said(self) -> entry.Entry:
        """The entry."""
        return entry.parse(self.proof.leaf)

    def der(self) -> bytes:
        """Encode the evidence, DER."""
        return bytes(
            encode.sequence(
                encode.text(LABEL),
                encode.text(str(self.key)),
                encode.text(self.proof.text()),
                encode.octets(self.seal),
            )
        )

    def check(self, known: list[note.Key]) -> None:
        """Check that the log has an entry about a seal that its developer has not signed.

        Args:
            known: keys of logs that are known to be of the one who is accused.

        Raises:
            UnknownLog: the key is not among them, or has not signed the checkpoint.
            NotInLog: the log does not have the entry.
            BadLogData: the entry can't be read.
            NoContradiction: it is about another seal, or the developer has signed it.
        """
        made = self.proof.checkpoint
        if self.key not in known:
            raise UnknownLog(f"the key of {self.key.name} is not given")
        if made.origin != self.key.name or not made.note.check([self.key]):
            raise UnknownLog(f"{self.key.name} has not signed the checkpoint")
        self.proof.check_path()
        said = self.said
        if said.kind not in _KINDS or said.developer_seal != bytes(sha256(self.seal)):
            raise NoContradiction("the entry is about another seal")
        if is_signed(self.seal):
            raise NoContradiction("the developer has signed the seal")


def is_signed(data: bytes) -> bool:
    """Tell whether something is a developer seal that the key in it has signed.

    Args:
        data: the seal, DER.
    """
    try:
        found = seal.parse(data, seal.DEVELOPER)
        entries = [(bytes(found.issuer), bytes(found.spki))]
        keys.check_signed(found, entries, found.not_before)
    except errors.SealError:
        return False
    return True


def parse(data: bytes) -> Unsigned:
    """Parse evidence. Nothing of it is checked but its form.

    Args:
        data: the evidence, DER.

    Raises:
        MalformedDER, TooLarge, BadLogData: it is of another form.
    """
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("evidence")
    fields = der.single(data)
    if fields.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER("not evidence against a Store")
    key = note.parse_key(fields.text(1, _MAX_KEY), note.LOG)
    found = proof.parse(fields.text(1, proof.MAX_SIZE))
    sealed = bytes(fields.octets(1, limits.MAX_SEAL))
    fields.end()
    return Unsigned(key, found, sealed)
