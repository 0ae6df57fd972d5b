"""Write what `seal` and `bundle` read, for the parties that issue."""

from . import encode, limits, timetext
from .compat import sha256

_COMMON_NAME = b"\x55\x04\x03"


def name(text: str) -> bytes:
    """Return the DER of a Name whose only common name is `text`."""
    if not 1 <= len(text.encode()) <= 64:
        raise ValueError("a name has 1 to 64 bytes")
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


def bundle_tbs(
    version: int, site: str, issued_at: int, roots, site_keys, store_keys, developers
) -> bytes:
    """Return the part of a trust bundle that is signed.

    Args:
        version: 1 or more.
        site: the site's name.
        issued_at: Unix seconds.
        roots: (threshold, SubjectPublicKeyInfo (DER) of each root).
        site_keys: pairs (name, SubjectPublicKeyInfo), both DER.
        store_keys: the same for Stores.
        developers: pairs (`entry_hash` of the developer, kinds), see `kinds`; in any order.
    """
    threshold, keys = roots
    return encode.sequence(
        encode.text(limits.BUNDLE_LABEL),
        encode.integer(version),
        encode.text(site),
        timetext.der(issued_at),
        encode.sequence(encode.integer(threshold), encode.sequence(*keys)),
        *[
            encode.sequence(*[encode.sequence(*entry) for entry in entries])
            for entries in (site_keys, store_keys)
        ],
        encode.sequence(
            *[
                encode.sequence(encode.octets(entry), kinds(which))
                for entry, which in sorted(developers)
            ]
        ),
    )


def entry_hash(name, key) -> bytes:
    """Return the SHA-256 of a KeyEntry, which stands for a developer in a bundle.

    Args:
        name: the developer's Name, DER.
        key: its SubjectPublicKeyInfo, DER.
    """
    return sha256(encode.sequence(name, key))


def kinds(which: int) -> bytes:
    """Return a BIT STRING that says what a developer may sign.

    Args:
        which: the sum of limits.SERVICE, AGENT and FIRMWARE, at least one of them.
    """
    unused = 0
    while not which >> unused & 1:
        unused += 1
    return encode.element(limits.BIT_STRING, bytes((unused, which)))


def signed_bundle(tbs: bytes, signatures) -> bytes:
    """Return a trust bundle.

    Args:
        tbs: from `bundle_tbs`.
        signatures: (SHA-256 of the signer's SubjectPublicKeyInfo, AlgorithmIdentifier (DER),
            signature) of each root that has signed it.
    """
    return encode.sequence(
        tbs,
        encode.sequence(
            *[
                encode.sequence(encode.octets(signer), algorithm, encode.bits(signature))
                for signer, algorithm, signature in signatures
            ]
        ),
    )


def signed(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return SEQUENCE { tbs, algorithm, signature BIT STRING }.

    Args:
        tbs: the signed part, DER.
        algorithm: an AlgorithmIdentifier of `keys`, DER.
        signature: its bytes.
    """
    return encode.sequence(tbs, algorithm, encode.bits(signature))
