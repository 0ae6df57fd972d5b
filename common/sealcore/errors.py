"""Every refusal of Triseal: one root, flat leaves, one sentence each.

A leaf's `code` is stable: programs, reports and logs rely on it. The text behind it says what was
seen and never holds key material.
"""


class SealError(Exception):
    """Root of every refusal."""

    code = "refused"

    def __init__(self, detail: str = ""):
        Exception.__init__(self, detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.code + ": " + self.detail if self.detail else self.code


# Encoding and cryptography.


class MalformedDER(SealError):
    """The bytes are not strict DER, or not the structure that is due."""

    code = "malformed-der"


class UnsupportedCertificate(SealError):
    """The certificate is well-formed, but uses what this verifier does not accept."""

    code = "unsupported-certificate"


class UnsupportedKey(UnsupportedCertificate):
    """The public key is of another kind or size, or no valid key at all."""

    code = "unsupported-key"


class BadSignature(SealError):
    """The signature does not verify with the key that should have made it."""

    code = "bad-signature"


class TooLarge(SealError):
    """A size bound is exceeded."""

    code = "too-large"


# A certificate under its issuer (RFC 5280 section 6).


class NameMismatch(SealError):
    """The issuer's name is not the one that the certificate names."""

    code = "name-mismatch"


class NotAuthority(SealError):
    """The issuer is no certificate authority, or its key may not sign certificates."""

    code = "not-authority"


class UnknownCriticalExtension(SealError):
    """A critical extension is not understood."""

    code = "unknown-critical-extension"


class Expired(SealError):
    """The time is past the end of validity."""

    code = "expired"


class NotYetValid(SealError):
    """The time is before the begin of validity."""

    code = "not-yet-valid"


# The chain of custody.


class ProfileViolation(SealError):
    """The certificate is valid X.509, but not a seal of this profile."""

    code = "profile-violation"


class UntrustedSigner(SealError):
    """The trust bundle names no key for this signer."""

    code = "untrusted-signer"


class WrongSite(SealError):
    """The seal is for another site."""

    code = "wrong-site"


class WrongNode(SealError):
    """The seal is for another node."""

    code = "wrong-node"


class WrongService(SealError):
    """The seal is for another service."""

    code = "wrong-service"


class WrongKey(SealError):
    """The seal's key is not this node's key."""

    code = "wrong-key"


class PredecessorMismatch(SealError):
    """A seal does not build on the seal that lies before it."""

    code = "predecessor-mismatch"


class SealMismatch(SealError):
    """Two seals of one service say different things."""

    code = "seal-mismatch"


class Rollback(SealError):
    """A version, a bundle or a time is older than one already accepted."""

    code = "rollback"


class MetadataMismatch(SealError):
    """The metadata is not what the seals pin."""

    code = "metadata-mismatch"


class HashMismatch(SealError):
    """The executable is not what the seals pin."""

    code = "hash-mismatch"


class BadGrant(SealError):
    """A grant is not written as grants are."""

    code = "bad-grant"


class NotGranted(SealError):
    """The service used what no grant gives it."""

    code = "not-granted"


class NoTrustedTime(SealError):
    """The node does not know the time well enough to decide."""

    code = "no-trusted-time"


class BadMessage(SealError):
    """A message or its frame is not of the protocol, or out of order."""

    code = "bad-message"
