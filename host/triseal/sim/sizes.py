"""Sizes of messages on the wire, measured on real certificates and real messages.

Each message is built by the code that sends it. The size is what TLS hands to TCP. The headers of
TCP and IP depend on the network and are not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sealcore import messages
from triseal.sim import handshake
from triseal.sim.parameters import Parameters
from triseal.sim.specimen import FILES, NODE, NOW, SERVICE, authority, site_seal
from triseal.site.records.ledger import serial_bytes
from triseal.site.records.placement import Place
from triseal.site.server.handlers import seals
from triseal.site.server.signing import desired_state

Integers = NDArray[np.int64]


def tls_record(wire_bytes: int, version: str = "1.2") -> int:
    """Compute the size of one TLS record under AES-GCM.

    TLS 1.2: header 5 (RFC 5246 section 6.2.1), explicit nonce 8, tag 16 (RFC 5288 section 3).
    TLS 1.3: header 5, content type 1, tag 16 (RFC 8446 section 5.2).
    MicroPython's mbedTLS speaks 1.2.

    Args:
        wire_bytes: bytes of plaintext in the record.
        version: "1.2" or "1.3".
    """
    return wire_bytes + {"1.2": 5 + 8 + 16, "1.3": 5 + 1 + 16}[version]


def _sent(*frames: bytes) -> int:
    """Add up the sizes of frames on the wire, each in its own TLS record."""
    return sum(tls_record(len(frame)) for frame in frames)


@cache
def renew() -> int:
    """Measure a RENEW of one service, bytes."""
    held = [(SERVICE, serial_bytes(site_seal(0).serial))]
    return _sent(messages.frame(messages.write(messages.RENEW, NOW, held)))


@cache
def by_delta(payload: int) -> int:
    """Measure a RENEWED with one delta, bytes.

    Args:
        payload: bytes of grants in the seal.
    """
    return _sent(*seals.renewed([(SERVICE, site_seal(payload))]))


@cache
def together(form: str) -> int:
    """Measure the bytes that each further renewal saves in a message with several renewals.

    One RENEW names all services, and one RENEWED carries all deltas. Whole seals travel alone.

    Args:
        form: "delta" or "seal".
    """
    held = (SERVICE, serial_bytes(site_seal(0).serial))
    asked = _sent(messages.frame(messages.write(messages.RENEW, NOW, [held, held])))
    saved = 2 * renew() - asked
    if form == "delta":
        one = (SERVICE, site_seal(0))
        saved += 2 * by_delta(0) - _sent(*seals.renewed([one, one]))
    return saved


@cache
def by_seal(payload: int) -> int:
    """Measure an ASSIGN with the whole seal and the list of its files, bytes.

    Args:
        payload: bytes of grants in the seal.
    """
    seal = site_seal(payload)
    place = Place(NODE, SERVICE)
    plan = desired_state.Plan(
        place, seal.template, seal.template.digest, seal.validity, bytes(32), FILES
    )
    return _sent(seals.assign(plan, seal))


@cache
def reconnect(services: int) -> int:
    """Measure a reconnect, bytes: TLS handshake, HELLO, and WELCOME with the signed time.

    Args:
        services: number of services of the node.
    """
    serial, state = serial_bytes(site_seal(0).serial), messages.STATES.index("running")
    nonce = bytes(16)
    held = [(SERVICE, serial, state)] * services
    said = messages.PROTOCOL, NODE, nonce, 7, nonce, NOW, "power-on", held
    hello = messages.write(messages.HELLO, *said)
    welcome = messages.write(messages.WELCOME, authority().sign_time(nonce, NOW), b"")
    return handshake.size() + _sent(messages.frame(hello), messages.frame(welcome))


@dataclass(frozen=True)
class Wire:
    """The sizes that a simulation uses. Tables are indexed by a service's bytes of grants.

    Attributes:
        renewal: bytes of a renewal that a node asks for; shape (payload_max + 1,).
        expired: bytes of a seal that the site sends after a HELLO, because the old one expired
            while the node was away; same shape.
        reconnect: bytes of a node's return, without its seals.
        together: bytes that each further renewal saves if a node asks for several in one message.
    """

    renewal: Integers
    expired: Integers
    reconnect: int
    together: int


def _table(parameters: Parameters, size: Callable[[int], int]) -> Integers:
    sizes = [0] * parameters.payload_min
    sizes += [size(p) for p in range(parameters.payload_min, parameters.payload_max + 1)]
    return np.array(sizes, dtype=np.int64)


def wire(parameters: Parameters) -> Wire:
    """Measure the sizes for a format.

    "certificate" is the paper's: a whole certificate with RSA-2048 keys and nothing around it.
    "seal" and "delta" are ours: both directions of the link with frames and TLS records, and the
    additional cost of a reconnect (TLS handshake, HELLO, WELCOME).

    Args:
        parameters: `format`, `services`, `payload_min` and `payload_max` count.
    """
    if parameters.format == "certificate":
        whole = _table(parameters, lambda payload: len(site_seal(payload, "rsa2048").der))
        return Wire(whole, whole, 0, 0)
    whole = _table(parameters, by_seal)
    answer = _table(parameters, by_delta) if parameters.format == "delta" else whole
    return Wire(
        renew() + answer, whole, reconnect(parameters.services), together(parameters.format)
    )
