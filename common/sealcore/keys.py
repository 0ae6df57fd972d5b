"""Public keys and signatures as X.509 writes them (RFC 3279, RFC 4055); `eckeys` has P-256."""

from . import errors, rsa
from .compat import collect, const
from .der import single

_SEQUENCE = const(0x30)


def parse(spki):
    """Return the public key of a SubjectPublicKeyInfo: rsa.PublicKey or p256.PublicKey.

    Args:
        spki: DER.

    Raises: MalformedDER or UnsupportedKey.
    """
    reader = single(spki)
    algorithm = reader.element(_SEQUENCE)
    bits = reader.bits()
    reader.end()
    # rsaEncryption with NULL
    if algorithm != b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00":
        from . import eckeys  # it is never loaded if all keys are RSA

        return eckeys.parse(algorithm, bits)
    reader = single(bits)
    n = reader.integer()
    e = reader.integer()
    reader.end()
    return rsa.PublicKey(n, e)


def verify(key, algorithm, digest, signature) -> None:
    """Check that a signature is this key's.

    Args:
        key: rsa.PublicKey or p256.PublicKey.
        algorithm: the AlgorithmIdentifier that the signature claims, DER.
        digest: SHA-256 of what was signed.
        signature: its bytes.

    Raises: BadSignature.
    """
    if algorithm != key.algorithm:
        raise errors.BadSignature
    key.verify_digest(digest, signature)


def verify_any(entries, algorithm, digest, signature, name=None) -> None:
    """Check that a signature is of one of several keys.

    A key that cannot be used here does not hide those after it.

    Args:
        entries: sequence of (name, SubjectPublicKeyInfo), both DER.
        algorithm: the AlgorithmIdentifier that the signature claims, DER.
        digest: SHA-256 of what was signed.
        signature: its bytes.
        name: if given, only keys of this name count, DER.

    Raises: UntrustedSigner if no key counts; else the error of the last key: BadSignature, or
        UnsupportedKey or MalformedDER if it cannot be read.
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
    """Check that a key of the issuer's name signed a certificate, and that it is valid.

    Args:
        cert: a certificate.Certificate or a seal.Brief.
        entries: (name, SubjectPublicKeyInfo) pairs of a trust bundle, both DER.
        now: Unix seconds.

    Raises: UntrustedSigner, BadSignature, NotYetValid or Expired.
    """
    verify_any(entries, cert.algorithm, cert.digest, cert.signature, cert.issuer)
    check_time(cert, now)


def check_time(cert, now: int) -> None:
    """Check that a certificate is valid; both ends of its validity count as valid.

    Args:
        cert: anything with `not_before` and `not_after`.
        now: Unix seconds.

    Raises: NotYetValid or Expired.
    """
    if now < cert.not_before:
        raise errors.NotYetValid
    if now > cert.not_after:
        raise errors.Expired
