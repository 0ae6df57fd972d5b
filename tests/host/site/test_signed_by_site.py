"""Signed time and renewal by delta, with real keys of each kind."""

from __future__ import annotations

import os

import pytest

from sealcore import delta, encode, errors, seal, sealwriter, signedtime
from triseal import certificate, signer

NOW = 1795363200
NONCE = os.urandom(16)
SITE = "home"


@pytest.fixture(scope="module", params=["rsa2048", "p256"])
def site(request: pytest.FixtureRequest) -> signer.KeySigner:
    """A site's key of each kind."""
    return signer.KeySigner(signer.generate(request.param))


def signed_time(site: signer.KeySigner, tbs: bytes) -> bytes:
    """What a site would send for this body."""
    return sealwriter.signed(tbs, site.algorithm, site.sign(tbs))


def entries(site: signer.KeySigner) -> list[tuple[bytes, bytes]]:
    """The site's key as a trust bundle lists it."""
    return [(sealwriter.name("home SLCA"), site.spki)]


def site_seal(site: signer.KeySigner, begin: int, serial: int) -> bytes:
    """A site seal that begins at `begin`."""
    core = sealwriter.core(bytes(32), 100, bytes(32), "1.0.0", 3)
    value = sealwriter.service_seal(core, bytes(32), ("log",))
    return certificate.issue(
        site,
        sealwriter.name("home SLCA"),
        sealwriter.name("thermo"),
        site.spki,
        certificate.Validity(begin, begin + 5000),
        serial,
        certificate.site_seal_extensions(site.spki, value, "spiffe://home/node/k/service/thermo"),
    )


def test_the_sites_time_for_this_nonce_is_believed(site: signer.KeySigner) -> None:
    der = signed_time(site, signedtime.tbs(SITE, NONCE, NOW))
    assert signedtime.read(der, entries(site), SITE, NONCE) == NOW


def test_any_other_time_is_refused(site: signer.KeySigner) -> None:
    stranger = signer.KeySigner(signer.generate("p256"))
    bundle = sealwriter.bundle_tbs(1, SITE, NOW, (1, [site.spki]), entries(site), [], [])
    good = signedtime.tbs(SITE, NONCE, NOW)
    rows = [
        ("an answer to an older nonce", signedtime.tbs(SITE, bytes(16), NOW), site, "bad-message"),
        ("another site's time", signedtime.tbs("farm", NONCE, NOW), site, "wrong-site"),
        ("a stranger's time", good, stranger, "bad-signature"),
        ("a trust bundle in its place", bundle, site, "malformed-der"),
        (
            "a time with more behind it",
            encode.sequence(good[2:], b"\x05\x00"),
            site,
            "malformed-der",
        ),
    ]
    for sentence, tbs, key, code in rows:
        with pytest.raises(errors.SealError) as caught:
            signedtime.read(signed_time(key, tbs), entries(site), SITE, NONCE)
        assert caught.value.code == code, sentence


def test_a_time_changed_on_its_way_is_refused(site: signer.KeySigner) -> None:
    der = bytearray(signed_time(site, signedtime.tbs(SITE, NONCE, NOW)))
    der[der.index(NONCE) + 20] ^= 1
    with pytest.raises(errors.BadSignature):
        signedtime.read(bytes(der), entries(site), SITE, NONCE)


def test_a_delta_makes_the_renewed_seal_of_the_old_one(site: signer.KeySigner) -> None:
    old = site_seal(site, NOW, certificate.new_serial())
    new = site_seal(site, NOW + 4000, certificate.new_serial())
    assert delta.apply(old, *delta.of(seal.parse(new, seal.SITE))) == new


def test_a_delta_with_a_wrong_serial_is_refused(site: signer.KeySigner) -> None:
    old = site_seal(site, NOW, certificate.new_serial())
    _, begin, end, signature = delta.of(seal.parse(old, seal.SITE))
    for serial in (b"", bytes(15), bytes(17)):
        with pytest.raises(errors.BadMessage):
            delta.apply(old, serial, begin, end, signature)


def test_a_delta_for_what_is_no_seal_is_refused(site: signer.KeySigner) -> None:
    for bad in (b"", b"\x30\x00", b"\x30\x02\x30\x00"):
        with pytest.raises(errors.MalformedDER):
            delta.apply(bad, bytes(16), NOW, NOW, b"x")
