"""Octets on the wire: against TLS itself, the parser and the patched seal."""

from __future__ import annotations

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealcore import delta, messages, seal
from triseal.certificate import Validity
from triseal.sim import (
    handshake,
    sizes,
    specimen,
)
from triseal.sim.parameters import Parameters


@pytest.mark.parametrize("wire_bytes", [1, 416, 8192])
def test_a_tls_record_has_the_size_that_tls_gives_it(wire_bytes: int) -> None:
    node, _, _ = handshake.connect()
    assert node.tls.cipher() == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256)
    node.outgoing.read()
    node.tls.write(bytes(wire_bytes))
    assert node.outgoing.pending == sizes.tls_record(wire_bytes)


def test_both_ends_of_the_handshake_know_each_other() -> None:
    node, slsm, wire_bytes = handshake.connect()
    for party, peer in ((node, "spiffe://site/slsm"), (slsm, "spiffe://site/node/node-07")):
        shown = x509.load_der_x509_certificate(party.tls.getpeercert(binary_form=True) or b"")
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [peer]
        assert isinstance(party.tls, ssl.SSLObject)
        # Both certificates travel once.
        wire_bytes -= len(shown.public_bytes(Encoding.DER))
    assert 0 < wire_bytes < 4000


@pytest.mark.parametrize("payload", [0, 1, 128, 129, 200, 2000])
def test_a_seals_payload_is_bytes_of_grants_and_the_rest_the_profile(payload: int) -> None:
    for key in ("p256", "rsa2048"):
        parsed = seal.parse(specimen.site_seal(payload, key).der, seal.SITE)
        assert len("".join(parsed.grants)) == payload
    public = x509.load_der_x509_certificate(specimen.site_seal(0, "rsa2048").der).public_key()
    assert getattr(public, "key_size", 0) == 2048


def test_the_paper_mode_is_whole_certificates_and_nothing_else() -> None:
    wire = sizes.wire(Parameters(format="certificate", payload_min=3, payload_max=5))
    assert wire.reconnect == 0
    assert wire.renewal[3:].tolist() == [
        len(specimen.site_seal(p, "rsa2048").der) for p in (3, 4, 5)
    ]
    assert wire.expired is wire.renewal


def test_a_delta_on_the_wire_is_what_the_node_needs_to_have_the_seal() -> None:
    old = specimen.site_seal(100)
    new = specimen.authority().seal(old.template, Validity(1795366000, 1795371000))
    held = seal.parse(new.der, seal.SITE)
    serial, begin, end, signature = delta.of(held)
    answer = begin, end, [(specimen.SERVICE, serial, signature)]
    sent = messages.write(messages.RENEWED, *answer)
    asked = messages.write(messages.RENEW, specimen.NOW, [(specimen.SERVICE, serial)])
    assert messages.parse(sent) == (messages.RENEWED, answer)
    assert delta.apply(old.der, serial, begin, end, signature) == new.der
    assert sizes.by_delta(100) == len(sent) + 4 + 29  # a frame's length and a TLS record
    assert sizes.renew() == len(asked) + 4 + 29
    assert sizes.by_delta(0) == sizes.by_delta(200)


def test_a_whole_seal_on_the_wire_carries_the_seal_and_little_else() -> None:
    assert sizes.by_seal(100) - sizes.by_seal(0) >= 100
    files = sum(len(name) + 32 for name, *_ in specimen.FILES)
    assert 0 < sizes.by_seal(100) - len(specimen.site_seal(100).der) - files < 100
    assert sizes.by_delta(100) < sizes.by_seal(100) / 2


def test_our_modes_differ_in_what_a_node_that_asks_gets() -> None:
    deltas, seals = (sizes.wire(Parameters(format=f)) for f in ("delta", "seal"))
    assert (deltas.expired == seals.expired).all()
    assert (seals.renewal == seals.expired + sizes.renew()).all()
    assert (deltas.renewal < seals.renewal).all()


def test_a_reconnect_grows_with_what_a_node_holds() -> None:
    ten, twenty, thirty = (sizes.reconnect(services) for services in (10, 20, 30))
    assert ten > handshake.size()
    assert thirty - twenty == pytest.approx(twenty - ten, abs=2)
    assert twenty - ten >= 10 * (16 + len(specimen.SERVICE))
