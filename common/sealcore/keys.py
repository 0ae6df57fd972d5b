"""Public keys and signatures as X.509 writes them (RFC 3279, RFC 4055); `eckeys` has P-256."""

from . import errors, rsa
from .compat import collect, const
from .der import single

# A whole AlgorithmIdentifier: with it goes the one form of parameters that it may have.
RSA_SHA256 = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"

_SEQUENCE = const(0x30)


def split(der):
    """The parts of SEQUENCE { tbs, algorithm, signature BIT STRING }, which all signed things are.

    Returns (tbs, algorithm, signature); the algorithm is not looked at before `verify`.
    """
    outer = single(der)
    parts = outer.element(_SEQUENCE), outer.element(_SEQUENCE), outer.bits()
    outer.end()
    return parts


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


def verify(key, algorithm, message, signature) -> None:
    """Raises BadSignature unless `signature`, said to be of `algorithm`, is the key's."""
    if isinstance(key, rsa.PublicKey):
        if algorithm != RSA_SHA256:
            raise errors.BadSignature
        return key.verify(message, signature)
    from . import eckeys

    return eckeys.verify(key, algorithm, message, signature)


def verify_any(entries, algorithm, message, signature, name=None) -> None:
    """Raise unless the signature is of a key in `entries`.

    Args:
        entries: sequence of (name, SubjectPublicKeyInfo), both DER.
        name: if given, only the keys of this name count.

    Raises: UntrustedSigner if no key counts, else BadSignature.
    """
    known = False
    for entry in entries:
        if name is None or entry[0] == name:
            known = True
            collect()
            try:
                return verify(parse(entry[1]), algorithm, message, signature)
            except errors.BadSignature:
                pass
    raise errors.BadSignature if known else errors.UntrustedSigner
