"""Octets on the wire, from real certificates and real messages: nothing here is guessed.

Each message is built by the code that sends it and measured. Counted is what TLS hands to TCP;
the headers of TCP and IP depend on the network and are left out everywhere alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray

from sealcore import messages, seal, sealwriter
from triseal import certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner, generate
from triseal.sim import handshake
from triseal.sim.parameters import Parameters
from triseal.site import authority
from triseal.site.ledger import Place, serial_octets
from triseal.site.link import plans, sealed

Integers = NDArray[np.int64]

SITE, NODE, SERVICE, VERSION = "site", "node-07", "service-23", "1.2.0"
"""Names of usual length: they travel in every message."""

FILES: tuple[plans.File, ...] = (
    ("app.mpy", 20_000, bytes(32)),
    (plans.METADATA, 400, bytes(32)),
    (plans.DEVELOPER_SEAL, 800, bytes(32)),
    (plans.STORE_SEAL, 900, bytes(32)),
)
"""What a package of usual size comes to; only how many digits the sizes have matters."""

_NOW = 1795363200
_VALIDITY = Validity(_NOW, _NOW + 5000)


def tls_record(octets: int, version: str = "1.2") -> int:
    """Octets of one TLS record that carries `octets` of plaintext under AES-GCM.

    TLS 1.2: header 5 (RFC 5246 section 6.2.1), explicit nonce 8, tag 16 (RFC 5288 section 3).
    TLS 1.3: header 5, content type 1, tag 16 (RFC 8446 section 5.2).
    MicroPython's mbedTLS speaks 1.2.
    """
    return octets + {"1.2": 5 + 8 + 16, "1.3": 5 + 1 + 16}[version]


@cache
def _signer(_: str) -> KeySigner:
    """An RSA-2048 key for each party."""
    return KeySigner(generate("rsa2048"))


@cache
def _authority() -> authority.Authority:
    signer = _signer("site")
    return authority.Authority(
        signer, authority.Issuer(authority.self_signed(signer, SITE, _NOW), SITE)
    )


@cache
def _subject_key(kind: str) -> bytes:
    public = generate(kind).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@cache
def _store_seal() -> seal.Seal:
    """The Store seal that all site seals here build on."""
    signer = _signer("store")
    core = sealwriter.core(bytes(32), FILES[0][1], bytes(32), VERSION, 3)
    der = certificate.issue(
        signer,
        sealwriter.name("Store"),
        sealwriter.name(SERVICE),
        _signer("developer").spki,
        _VALIDITY,
        certificate.new_serial(),
        certificate.code_seal_extensions(
            signer.spki, sealwriter.service_seal(core, bytes(range(32)))
        ),
    )
    return seal.parse(der, seal.STORE)


def _grants(octets: int) -> list[str]:
    """Grants that hold this many octets of text together, the longest first."""
    return ["g" * min(seal.MAX_GRANT, octets - at) for at in range(0, octets, seal.MAX_GRANT)]


@cache
def site_seal(payload: int, subject_key: str = "p256") -> authority.SignedSeal:
    """A site seal as the SLCA issues it, signed with RSA-2048.

    Args:
        payload: octets of grants in it.
        subject_key: the node's kind of key; "rsa2048" is the paper's.
    """
    issuer = _authority()
    prepared = issuer.issuer.prepare(
        NODE, _subject_key(subject_key), _store_seal(), bytes(range(32)), _grants(payload)
    )
    return issuer.seal(prepared, _VALIDITY)


def _sent(*frames: bytes) -> int:
    """Octets of frames on the wire, each in a TLS record of its own."""
    return sum(tls_record(len(frame)) for frame in frames)


@cache
def renew() -> int:
    """Renew of one service."""
    held = [(SERVICE, serial_octets(site_seal(0).serial))]
    return _sent(messages.frame(messages.write(messages.RENEW, held)))


@cache
def by_delta(payload: int) -> int:
    """Renewed with one delta."""
    return _sent(*sealed.renewed([sealed.delta(SERVICE, site_seal(payload))]))


@cache
def by_seal(payload: int) -> int:
    """Assign with the whole seal and the files that it stands for."""
    one = site_seal(payload)
    place = Place(NODE, SERVICE)
    plan = plans.Plan(place, one.template, one.template.digest, one.validity, bytes(32), FILES)
    return _sent(sealed.assign(plan, one))


@cache
def reconnect(services: int) -> int:
    """TLS handshake, Hello of a node with so many services, Welcome with the signed time."""
    serial, state = serial_octets(site_seal(0).serial), messages.STATES.index("running")
    nonce = bytes(16)
    held = [(SERVICE, serial, state)] * services
    hello = messages.write(messages.HELLO, messages.PROTOCOL, NODE, nonce, 7, held)
    welcome = messages.write(messages.WELCOME, _authority().sign_time(nonce, _NOW), b"")
    return handshake.octets() + _sent(messages.frame(hello), messages.frame(welcome))


@dataclass(frozen=True)
class Wire:
    """What a simulation puts on the wire; tables are indexed by a service's payload.

    Attributes:
        renewal: octets of a renewal that a node asks for; shape (payload_max + 1,).
        expired: octets of a seal that the site replaces in its answer to a Hello, because it
            expired while the node was away; same shape.
        reconnect: octets when a node comes back, without its seals.
    """

    renewal: Integers
    expired: Integers
    reconnect: int


def _table(parameters: Parameters, size: Callable[[int], int]) -> Integers:
    sizes = [0] * parameters.payload_min
    sizes += [size(p) for p in range(parameters.payload_min, parameters.payload_max + 1)]
    return np.array(sizes, dtype=np.int64)


def wire(parameters: Parameters) -> Wire:
    """Sizes for `parameters.format`.

    "certificate": the paper's, a whole certificate with RSA-2048 keys and nothing around it.
    "seal", "delta": ours, both directions of the link with frames and TLS records, and what
    a reconnect costs besides: TLS handshake, Hello, Welcome.
    """
    if parameters.format == "certificate":
        whole = _table(parameters, lambda payload: len(site_seal(payload, "rsa2048").der))
        return Wire(whole, whole, 0)
    seals = _table(parameters, by_seal)
    answer = _table(parameters, by_delta) if parameters.format == "delta" else seals
    return Wire(renew() + answer, seals, reconnect(parameters.services))
