"""Octets on the wire, from real certificates and real messages: nothing here is guessed.

Each message is built by the code that sends it and measured. Counted is what TLS hands to TCP;
the headers of TCP and IP depend on the network and are left out everywhere alike.
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


def tls_record(octets: int, version: str = "1.2") -> int:
    """Octets of one TLS record that carries `octets` of plaintext under AES-GCM.

    TLS 1.2: header 5 (RFC 5246 section 6.2.1), explicit nonce 8, tag 16 (RFC 5288 section 3).
    TLS 1.3: header 5, content type 1, tag 16 (RFC 8446 section 5.2).
    MicroPython's mbedTLS speaks 1.2.
    """
    return octets + {"1.2": 5 + 8 + 16, "1.3": 5 + 1 + 16}[version]


def _sent(*frames: bytes) -> int:
    """Octets of frames on the wire, each in a TLS record of its own."""
    return sum(tls_record(len(frame)) for frame in frames)


@cache
def renew() -> int:
    """Renew of one service."""
    held = [(SERVICE, serial_bytes(site_seal(0).serial))]
    return _sent(messages.frame(messages.write(messages.RENEW, NOW, held)))


@cache
def by_delta(payload: int) -> int:
    """Renewed with one delta."""
    return _sent(*seals.renewed([seals.delta(SERVICE, site_seal(payload))]))


@cache
def together(form: str) -> int:
    """Octets that each further renewal saves which a node asks for in the same second.

    One Renew names them all, and one Renewed carries all deltas; whole seals travel alone.
    """
    held = (SERVICE, serial_bytes(site_seal(0).serial))
    asked = _sent(messages.frame(messages.write(messages.RENEW, NOW, [held, held])))
    saved = 2 * renew() - asked
    if form == "delta":
        one = seals.delta(SERVICE, site_seal(0))
        saved += 2 * by_delta(0) - _sent(*seals.renewed([one, one]))
    return saved


@cache
def by_seal(payload: int) -> int:
    """Assign with the whole seal and the files that it stands for."""
    one = site_seal(payload)
    place = Place(NODE, SERVICE)
    plan = desired_state.Plan(
        place, one.template, one.template.digest, one.validity, bytes(32), FILES
    )
    return _sent(seals.assign(plan, one))


@cache
def reconnect(services: int) -> int:
    """TLS handshake, Hello of a node with so many services, Welcome with the signed time."""
    serial, state = serial_bytes(site_seal(0).serial), messages.STATES.index("running")
    nonce = bytes(16)
    held = [(SERVICE, serial, state)] * services
    hello = messages.write(messages.HELLO, messages.PROTOCOL, NODE, nonce, 7, NOW, "power-on", held)
    welcome = messages.write(messages.WELCOME, authority().sign_time(nonce, NOW), b"")
    return handshake.octets() + _sent(messages.frame(hello), messages.frame(welcome))


@dataclass(frozen=True)
class Wire:
    """What a simulation puts on the wire; tables are indexed by a service's payload.

    Attributes:
        renewal: octets of a renewal that a node asks for; shape (payload_max + 1,).
        expired: octets of a seal that the site replaces in its answer to a Hello, because it
            expired while the node was away; same shape.
        reconnect: octets when a node comes back, without its seals.
        together: octets that each renewal saves for which its node has asked together with another.
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
    """Sizes for `parameters.format`.

    "certificate": the paper's, a whole certificate with RSA-2048 keys and nothing around it.
    "seal", "delta": ours, both directions of the link with frames and TLS records, and what
    a reconnect costs besides: TLS handshake, Hello, Welcome.
    """
    if parameters.format == "certificate":
        whole = _table(parameters, lambda payload: len(site_seal(payload, "rsa2048").der))
        return Wire(whole, whole, 0, 0)
    whole = _table(parameters, by_seal)
    answer = _table(parameters, by_delta) if parameters.format == "delta" else whole
    return Wire(
        renew() + answer, whole, reconnect(parameters.services), together(parameters.format)
    )
