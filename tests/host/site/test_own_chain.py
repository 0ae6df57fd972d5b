"""The site's own certificates: they begin some minutes back, and a site whose certificate is not
valid signs nothing and does not serve.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from sealcore import x509
from tests.worlds.site_world import NOW, World, make_request
from triseal import certificate, signer
from triseal.cli.main import main
from triseal.signer import KeySigner
from triseal.site import home
from triseal.site.errors import CertificateNotValid
from triseal.site.home import Founding
from triseal.site.manager import NODE_SECONDS, Manager
from triseal.site.server import process
from triseal.site.server.process import Options
from triseal.site.slca.authority import CA_SECONDS, Authority, Issuer, self_signed

P256 = Founding("house", "p256")
SKEW = certificate.CLOCK_SKEW
YEAR = 365 * 86400

# (sentence, when the site is made, whether it can sign at NOW)
MADE = [
    ("now", NOW, True),
    ("by a clock that was four minutes fast", NOW + 240, True),
    ("by a clock that was ten minutes fast", NOW + 600, False),
    ("two years ahead", NOW + 2 * YEAR, False),
    ("in 1970", 5, False),
    ("fifteen years ago", NOW - 15 * YEAR, True),
]


@pytest.mark.parametrize(("made", "signs"), [row[1:] for row in MADE], ids=[row[0] for row in MADE])
def test_a_site_whose_certificate_is_not_valid_signs_nothing(
    tmp_path: Path, made: int, signs: bool
) -> None:
    home.init(tmp_path / "site", P256, None, made)
    spki = KeySigner(signer.generate("p256")).spki
    with Manager(tmp_path / "site", lambda: b"", lambda: NOW) as site:
        if signs:
            assert site.trust_developer("Ada", spki).version == 2
            return
        site.add_node("hall")
        request = make_request(signer.generate("p256"), "hall")
        for change in (
            lambda: site.trust_developer("Ada", spki),
            lambda: site.enrol("hall", request),
            lambda: site.sign_time(bytes(16)),
            site.check_clock,
            lambda: asyncio.run(process.serve(site, Options(), lambda *_: None)),
        ):
            with pytest.raises(CertificateNotValid, match="now it is 2026-11"):
                change()
        assert site.bundle().version == 1


def test_certificates_begin_some_minutes_back(tmp_path: Path) -> None:
    with World(tmp_path / "site") as world:
        assert world.manager.issuer.validity.not_before == NOW - SKEW
        world.add_node("hall")
        world.now += 86400
        key = world.node_keys["hall"]
        found = x509.parse(world.manager.enrol("hall", make_request(key, "hall")).der)
        assert found.not_before == world.now - SKEW
        assert found.not_after == world.now + NODE_SECONDS


def test_a_certificate_stays_within_that_of_its_site() -> None:
    key = KeySigner(signer.generate("p256"))
    slca = Authority(key, Issuer(self_signed(key, "house", NOW), "house"))
    own = slca.issuer.validity
    assert slca.issuer.lasting(NOW - 100, 10).not_before == own.not_before
    assert slca.issuer.lasting(NOW + CA_SECONDS - 10, YEAR).not_after == own.not_after
    assert slca.issuer.lasting(NOW + 7, 10) == certificate.Validity(NOW + 7 - SKEW, NOW + 17)


def test_the_status_names_what_ends_soon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A site of nearly twenty years has a hundred days left."""
    now = int(time.time())
    home.init(tmp_path / "site", P256, None, now - CA_SECONDS + 100 * 86400)
    home.init(tmp_path / "new", P256, None, now)
    said = {}
    for name in ("site", "new"):
        assert main(("site", "status", "--home", str(tmp_path / name), "--json")) == 0
        said[name] = json.loads(capsys.readouterr().out)["ends_soon"]
    (end,) = said["site"]
    assert end.startswith("site house (20")
    assert said["new"] == []
