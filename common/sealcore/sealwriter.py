"""Write what `seal` and `bundle` read, for the parties that issue."""

from . import encode, limits, timetext

_COMMON_NAME = b"\x55\x04\x03"


def name(text: str) -> bytes:
    """Return the DER of a Name whose only common name is `text`."""
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
    """Return the DER of the ServiceSeal fields that are equal in all three seals.

    Args:
        executable_hash: SHA-256, 32 bytes.
        executable_size: bytes, 1 to limits.MAX_EXECUTABLE.
        metadata_hash: SHA-256, 32 bytes.
        service_version: visible ASCII, at most 32 bytes.
        security_version: 0 to limits.MAX_SECURITY_VERSION.
    """
    return (
        encode.integer(1)
        + encode.octets(executable_hash)
        + encode.integer(executable_size)
        + encode.octets(metadata_hash)
        + encode.text(service_version)
        + encode.integer(security_version)
    )


def service_seal(core, predecessor: bytes = b"", grants=None) -> bytes:
    """Return the value of a ServiceSeal extension.

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
    """Return the value of a subjectAltName extension that holds only the URI `uri`."""
    return encode.sequence(encode.text(uri, 0x86))


def bundle_tbs(version: int, site: str, issued_at: int, site_keys, store_keys, developers) -> bytes:
    """Return the part of a trust bundle that is signed.

    Args:
        version: 1 or more.
        site: the site's name.
        issued_at: Unix seconds.
        site_keys: pairs (name, SubjectPublicKeyInfo), both DER.
        store_keys: the same for Stores.
        developers: the same for developers.
    """
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
    """Return SEQUENCE { tbs, algorithm, signature BIT STRING }.

    Args:
        tbs: the signed part, DER.
        algorithm: an AlgorithmIdentifier of `keys`, DER.
        signature: its bytes.
    """
    return encode.sequence(tbs, algorithm, encode.bits(signature))
