"""Public keys and signatures as X.509 writes them (RFC 3279, RFC 4055); `eckeys` has P-256."""

from . import errors, rsa
from .compat import collect, const
from .der import single

_SEQUENCE = const(0x30)


def parse(spki):
    """The public key in a SubjectPublicKeyInfo: rsa.PublicKey or p256.PublicKey.

    Raises MalformedDER or UnsupportedKey.
    """
    reader = single(spki)
    algorithm = reader.element(_SEQUENCE)
    bits = reader.bits()
    reader.end()
    # rsaEncryption with NULL
    if algorithm != b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00":
        from . import eckeys  # where all keys are RSA, it is never loaded

        return eckeys.parse(algorithm, bits)
    reader = single(bits)
    n = reader.integer()
    e = reader.integer()
    reader.end()
    return rsa.PublicKey(n, e)


def verify(key, algorithm, digest, signature) -> None:
    """Raises BadSignature unless `signature`, said to be of `algorithm`, is the key's.

    `digest` is the SHA-256 of what was signed.
    """
    if algorithm != key.algorithm:
        raise errors.BadSignature
    key.verify_digest(digest, signature)


def verify_any(entries, algorithm, digest, signature, name=None) -> None:
    """Raise unless the signature is of a key in `entries`.

    Args:
        entries: sequence of (name, SubjectPublicKeyInfo), both DER.
        digest: SHA-256 of what was signed.
        name: if given, only the keys of this name count.

    A key that is of no use here hides none behind it.

    Raises: UntrustedSigner if no key counts; else what the last one says: BadSignature, or
        UnsupportedKey or MalformedDER if it is none.
    """
    failed = None
    for entry in entries:
        if name is None or entry[0] == name:
            collect()
            try:
                return verify(parse(entry[1]), algorithm, digest, signature)
            except errors.SealError as error:
                failed = error
    raise failed or errors.UntrustedSigner


def check_signed(cert, entries, now: int) -> None:
    """Raise unless a key of the issuer's name signed it, and it is valid.

    Args:
        cert: a certificate.Certificate or a seal.Brief.
        entries: (name, SubjectPublicKeyInfo) pairs of a trust bundle.
        now: Unix seconds.

    Raises: UntrustedSigner, BadSignature, NotYetValid or Expired.
    """
    verify_any(entries, cert.algorithm, cert.digest, cert.signature, cert.issuer)
    check_time(cert, now)


def check_time(cert, now: int) -> None:
    """Raises NotYetValid or Expired; both ends of the validity count as valid."""
    if now < cert.not_before:
        raise errors.NotYetValid
    if now > cert.not_after:
        raise errors.Expired
