"""Triseal's own structures as asn1crypto schemas, written from their ASN.1 alone."""

from typing import Any, ClassVar

from asn1crypto import core, keys, x509


class ServiceSealVersion(core.Integer):  # type: ignore[misc]
    """Of the extension."""

    _map: ClassVar[dict[int, str]] = {1: "v1"}


class Texts(core.SequenceOf):  # type: ignore[misc]
    """Grants."""

    _child_spec = core.UTF8String


class ServiceSeal(core.Sequence):  # type: ignore[misc]
    """The extension that makes a certificate a seal."""

    _fields: ClassVar[list[tuple[Any, ...]]] = [
        ("version", ServiceSealVersion),
        ("executable_hash", core.OctetString),
        ("executable_size", core.Integer),
        ("metadata_hash", core.OctetString),
        ("service_version", core.UTF8String),
        ("security_version", core.Integer),
        ("predecessor", core.OctetString, {"implicit": 0, "optional": True}),
        ("grants", Texts, {"implicit": 1, "optional": True}),
    ]


class KeyEntry(core.Sequence):  # type: ignore[misc]
    """One key of a bundle."""

    _fields: ClassVar[list[tuple[Any, ...]]] = [("name", x509.Name), ("key", keys.PublicKeyInfo)]


class KeyEntries(core.SequenceOf):  # type: ignore[misc]
    """The keys of one role."""

    _child_spec = KeyEntry


class TbsTrustBundle(core.Sequence):  # type: ignore[misc]
    """What of a bundle is signed."""

    _fields: ClassVar[list[tuple[Any, ...]]] = [
        ("label", core.UTF8String),
        ("version", core.Integer),
        ("site", core.UTF8String),
        ("issued_at", core.UTCTime),
        ("site_keys", KeyEntries),
        ("store_keys", KeyEntries),
        ("developers", KeyEntries),
    ]


class TrustBundle(core.Sequence):  # type: ignore[misc]
    """A trust bundle."""

    _fields: ClassVar[list[tuple[Any, ...]]] = [
        ("tbs", TbsTrustBundle),
        ("signature_algorithm", x509.SignedDigestAlgorithm),
        ("signature", core.OctetBitString),
    ]
