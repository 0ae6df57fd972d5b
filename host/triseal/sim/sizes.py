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

from sealcore import delta, identity, messages, seal, sealwriter, signedtime
from triseal import certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner, PrivateKey, generate
from triseal.sim import handshake
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]

SITE, NODE, SERVICE, VERSION = "site", "node-07", "service-23", "1.2.0"
"""Names of usual length: they travel in every message."""

FILES = ("app.mpy", "metadata.json", "developer.der", "store.der")

_VALIDITY = Validity(1795363200, 1795368200)


def tls_record(octets: int, version: str = "1.2") -> int:
    """Octets of one TLS record that carries `octets` of plaintext under AES-GCM.

    TLS 1.2: header 5 (RFC 5246 section 6.2.1), explicit nonce 8, tag 16 (RFC 5288 section 3).
    TLS 1.3: header 5, content type 1, tag 16 (RFC 8446 section 5.2).
    MicroPython's mbedTLS speaks 1.2.
    """
    return octets + {"1.2": 5 + 8 + 16, "1.3": 5 + 1 + 16}[version]


@cache
def _key(kind: str) -> PrivateKey:
    return generate(kind)


@cache
def _site() -> KeySigner:
    return KeySigner(_key("rsa2048"))


def _spki(kind: str) -> bytes:
    return _key(kind).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _grants(octets: int) -> list[str]:
    """Grants that hold this many octets of text together, the longest first."""
    return ["g" * min(seal.MAX_GRANT, octets - at) for at in range(0, octets, seal.MAX_GRANT)]


@cache
def site_seal(payload: int, subject_key: str = "p256") -> bytes:
    """A real site seal by the profile, signed with RSA-2048.

    Args:
        payload: octets of grants in it.
        subject_key: the node's kind of key; "rsa2048" is the paper's.
    """
    core = sealwriter.core(bytes(32), 20_000, bytes(32), VERSION, 3)
    extension = sealwriter.service_seal(core, bytes(range(32)), _grants(payload))
    uri = identity.service(SITE, NODE, SERVICE)
    return certificate.issue(
        _site(),
        sealwriter.name(SITE),
        sealwriter.name(SERVICE),
        _spki(subject_key),
        _VALIDITY,
        certificate.new_serial(),
        certificate.site_seal_extensions(_site().spki, extension, uri),
    )


def _sent(kind: int, *values: object) -> int:
    """Octets of one message on the wire: DER, frame, TLS record."""
    return tls_record(len(messages.frame(messages.write(kind, *values))))


def _renew(current: seal.Seal) -> int:
    return _sent(messages.RENEW, [(SERVICE, delta.of(current)[0])])


@cache
def renewal_by_delta(payload: int) -> int:
    """Renew, and Renewed with one delta."""
    current = seal.parse(site_seal(payload), seal.SITE)
    return _renew(current) + _sent(messages.RENEWED, [(SERVICE, *delta.of(current))])


@cache
def renewal_by_seal(payload: int) -> int:
    """Renew, and Assign with the whole seal and the files that it stands for."""
    der = site_seal(payload)
    files = [(name, 20_000, bytes(32)) for name in FILES]
    return _renew(seal.parse(der, seal.SITE)) + _sent(messages.ASSIGN, SERVICE, der, files)


@cache
def reconnect(services: int) -> int:
    """TLS handshake, Hello of a node with so many services, Welcome with the signed time."""
    held = [(SERVICE, bytes(range(16)), messages.STATES.index("running"))] * services
    nonce = bytes(16)
    tbs = signedtime.tbs(SITE, nonce, _VALIDITY.not_before)
    time = sealwriter.signed(tbs, _site().algorithm, _site().sign(tbs))
    return (
        handshake.octets()
        + _sent(messages.HELLO, messages.PROTOCOL, NODE, nonce, 7, held)
        + _sent(messages.WELCOME, time, b"")
    )


@dataclass(frozen=True)
class Wire:
    """What a simulation puts on the wire.

    Attributes:
        renewal: octets of one renewal, indexed by the service's payload; shape (payloads,).
        reconnect: octets when a node comes back, without its renewals.
    """

    renewal: Integers
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
        return Wire(_table(parameters, lambda payload: len(site_seal(payload, "rsa2048"))), 0)
    size = renewal_by_delta if parameters.format == "delta" else renewal_by_seal
    return Wire(_table(parameters, size), reconnect(parameters.services))
