"""What `seal` and `bundle` read, written: for those who issue."""

from . import encode, limits, timetext

_COMMON_NAME = b"\x55\x04\x03"


def name(text: str) -> bytes:
    """The DER of a name that is one common name."""
    if not 1 <= len(text.encode()) <= 64:
        raise ValueError("a name has 1 to 64 octets")
    attribute = encode.sequence(encode.oid(_COMMON_NAME), encode.text(text))
    return encode.sequence(encode.element(limits.SET, attribute))


def core(
    executable_hash: bytes,
    executable_size: int,
    metadata_hash: bytes,
    service_version: str,
    security_version: int,
) -> bytes:
    """The DER of the ServiceSeal fields that are equal in all three seals."""
    return (
        encode.integer(1)
        + encode.octets(executable_hash)
        + encode.integer(executable_size)
        + encode.octets(metadata_hash)
        + encode.text(service_version)
        + encode.integer(security_version)
    )


def service_seal(core, predecessor: bytes = b"", grants=None) -> bytes:
    """The value of a ServiceSeal extension.

    Args:
        core: from `core` or a Seal.
        predecessor: SHA-256 of the seal before this one; b"" for a developer seal.
        grants: sequence of str for a site seal, else None.
    """
    parts = [core]
    if predecessor:
        parts.append(encode.octets(predecessor, limits.PREDECESSOR))
    if grants is not None:
        parts.append(encode.element(limits.GRANTS, *[encode.text(grant) for grant in grants]))
    return encode.sequence(*parts)


def uri_name(uri: str) -> bytes:
    """The value of a subjectAltName extension that holds this URI alone."""
    return encode.sequence(encode.text(uri, 0x86))


def bundle_tbs(version: int, site: str, issued_at: int, site_keys, store_keys, developers) -> bytes:
    """The part of a trust bundle that is signed; the lists hold (name, SubjectPublicKeyInfo)."""
    return encode.sequence(
        encode.text(limits.BUNDLE_LABEL),
        encode.integer(version),
        encode.text(site),
        timetext.der(issued_at),
        *[
            encode.sequence(*[encode.sequence(*entry) for entry in entries])
            for entries in (site_keys, store_keys, developers)
        ],
    )


def signed(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """A signed thing: `algorithm` is an AlgorithmIdentifier of `keys`."""
    return encode.sequence(tbs, algorithm, encode.bits(signature))
