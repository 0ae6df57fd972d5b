"""A small site in memory with real seals, messages and connections, for measurements."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealcore import limits, seal, sealwriter
from triseal import certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner, PrivateKey, generate
from triseal.site.server.signing import desired_state
from triseal.site.slca.authority import Authority, Issuer, SignedSeal, self_signed

SITE, NODE, SERVICE, VERSION = "site", "node-07", "service-23", "1.2.0"
"""Names of usual length; they travel in every message."""

FILES: tuple[desired_state.File, ...] = (
    ("app.mpy", 20_000, bytes(32)),
    (desired_state.METADATA, 400, bytes(32)),
    (desired_state.DEVELOPER_SEAL, 800, bytes(32)),
    (desired_state.STORE_SEAL, 900, bytes(32)),
)
"""The files of a package of usual size; only the number of digits of the sizes matters."""

NOW = 1795363200
VALIDITY = Validity(NOW, NOW + 5000)


@cache
def signer(_: str) -> KeySigner:
    """Return the RSA-2048 key of a party, the same for each call.

    Args:
        _: name of the party.
    """
    return KeySigner(generate("rsa2048"))


@cache
def authority() -> Authority:
    """Return the site's SLCA, with an RSA-2048 key."""
    key = signer("site")
    return Authority(key, Issuer(self_signed(key, SITE, NOW), SITE))


@cache
def _subject_key(kind: str) -> bytes:
    return spki(generate(kind))


def spki(key: PrivateKey) -> bytes:
    """Encode the public key of a private key as SubjectPublicKeyInfo, DER.

    Args:
        key: the private key.
    """
    public = key.public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@cache
def _store_seal() -> seal.Seal:
    """Make the Store seal that all site seals here are based on."""
    store = signer("store")
    core = sealwriter.core(bytes(32), FILES[0][1], bytes(32), VERSION, 3)
    der = certificate.issue(
        store,
        sealwriter.name("Store"),
        sealwriter.name(SERVICE),
        signer("developer").spki,
        VALIDITY,
        certificate.new_serial(),
        certificate.code_seal_extensions(
            store.spki, sealwriter.service_seal(core, bytes(range(32)))
        ),
    )
    return seal.parse(der, seal.STORE)


def _grants(wire_bytes: int) -> list[str]:
    """Make grants that hold so many bytes of text together, the longest first."""
    return [
        "g" * min(limits.MAX_GRANT, wire_bytes - at)
        for at in range(0, wire_bytes, limits.MAX_GRANT)
    ]


@cache
def site_seal(payload: int, subject_key: str = "p256") -> SignedSeal:
    """Issue a site seal as the SLCA does, signed with RSA-2048.

    Args:
        payload: bytes of grants in it.
        subject_key: kind of the node's key; "rsa2048" is the paper's.
    """
    slca = authority()
    prepared = slca.issuer.prepare(
        NODE, _subject_key(subject_key), _store_seal(), bytes(range(32)), _grants(payload)
    )
    return slca.seal(prepared, VALIDITY)
