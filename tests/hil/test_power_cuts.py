"""Power cuts at every operation of the flash, and how much the flash wears."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from boards import micropython
from sealcore import identity, seal, sealwriter
from tests.device.site import Site
from tests.full import OneOf
from triseal import bundles, certificate, signer

ROOT = Path(__file__).resolve().parent.parent.parent
ON_BOARD = Path(__file__).resolve().parent / "on_board"
NODE = "kitchen"
# It has two blocks of the flash, the second one with a pointer to the first.
Files = dict[str, bytes]
APP = b"async def main(ctx):\n    ctx.log('hello')\n" + b"# so that it has blocks\n" * 180


def contents() -> dict[str, object]:
    """What the device's side of the test puts on the flash, in hexadecimal."""
    site = Site()
    key = _key()
    spki, sec1 = _spki(key), _sec1(key)
    node = {
        "node.key": sec1,
        "node.crt": site.node(NODE, spki),
        "bundle.der": site.bundle(),
        "settings.json": json.dumps({"node": NODE}).encode(),
    }
    old = site.deploy("service", APP, NODE, spki, grants=("log",)).files
    # The same package, with a seal that begins later.
    renewed = {**old, "site.der": reseal(site, old, spki)}
    new = site.deploy("service", APP + b"# new\n", NODE, spki, version="1.1.0", security=2).files
    site.version = 2
    settings = json.dumps({"node": NODE, "grace": 60}).encode()
    trust = {
        "node.crt": site.node(NODE, spki, site.now - 10),
        "bundle.der": site.bundle(),
        "settings.json": settings,
    }
    # From a production line: its key made, its certificate on the way.
    fresh = {"node.key": sec1, "bundle.der": node["bundle.der"]}
    fresh["settings.json"] = json.dumps({"node": NODE, "token": "00" * 16}).encode()
    parts = {"newcomer": fresh, "node": node, "old": old, "new": new, "renewed": renewed}
    found: dict[str, object] = {"now": site.now}
    for name, files in {**parts, "trust": trust}.items():
        found[name] = {path: data.hex() for path, data in files.items()}
    return found


def changes() -> dict[str, object]:
    """What `trust_cuts.py` puts on the flash, in hexadecimal: each state has its own files."""
    site, key, other = Site(), _key(), _key()
    spki = _spki(key)
    roots = [signer.KeySigner(signer.generate("p256")) for _ in range(3)]
    next_key = signer.KeySigner(signer.generate("p256"))
    after = replace(site, authority=next_key)

    def node(bundle: bytes, by: Site = site, of: ec.EllipticCurvePrivateKey = key) -> Files:
        settings = json.dumps({"node": NODE}).encode()
        own = {"node.key": _sec1(of), "node.crt": by.node(NODE, _spki(of))}
        return {**own, "bundle.der": bundle, "settings.json": settings}

    def bundle(version: int, keys: list[signer.KeySigner], **more: object) -> bytes:
        return replace(site, version=version, keys=keys, **more).bundle()  # type: ignore[arg-type]

    first, both, new = [site.authority], [site.authority, next_key], [next_key]
    one = bundles.one_root(roots[0])
    three = (2, [root.spki for root in roots])
    several = [(sealwriter.name(f"Eve {number}"), roots[0].spki) for number in range(60)]
    states = {
        "node": node(bundle(1, first)),
        "prepared": node(bundle(2, both)),
        "certified": node(bundle(2, both), after),
        "revoked": node(bundle(3, new), after),
        "root": node(bundle(2, first, roots=one, signers=[site.root, roots[0]])),
        "threshold": node(bundle(3, first, roots=three, signers=roots[:2])),
        "more": node(bundle(2, first, others=several)),
        "rekeyed": node(b"", of=other),
    }
    old = site.deploy("service", APP, NODE, spki, grants=("log",))
    sealed = old.with_file("site.der", after.reseal(old, NODE, spki, grants=("log",)))
    found: dict[str, object] = {"now": site.now}
    for name, files in {**states, "old": old.files, "sealed": sealed.files}.items():
        found[name] = {path: data.hex() for path, data in files.items()}
    return found


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def reseal(site: Site, files: dict[str, bytes], spki: bytes) -> bytes:
    """A site seal for the same package that begins later."""
    core = bytes(seal.parse(files["site.der"], seal.SITE).core)
    sealed = sealwriter.service_seal(core, hashlib.sha256(files["store.der"]).digest(), ("log",))
    extensions = certificate.site_seal_extensions(
        site.authority.spki, sealed, identity.service(site.name, NODE, "service")
    )
    return site._issue("service", spki, site.now - 10, site.now + 4990, extensions)


def run(script: str, *arguments: str, more: str = "") -> str:
    """What a script of `on_board` prints on a real MicroPython; `more` has other modules for it."""
    done = micropython.run(
        ["-X", "heapsize=16M", str(ON_BOARD / script), *arguments],
        environment={"MICROPYPATH": f"{ON_BOARD}:{ROOT}/common:{ROOT}/device:{more}.frozen"},
        timeout=1500,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def test_every_cut_leaves_the_old_state_or_the_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_of: OneOf
) -> None:
    (tmp_path / "files.json").write_text(json.dumps(contents()))
    # All operations of each change, or every 29th and the last ones.
    step = one_of(29)
    printed = run("power_cuts.py", str(tmp_path / "files.json"), str(step))
    counts = [line for line in printed.splitlines() if line.endswith(" cut points")]
    with capsys.disabled():
        print("\n" + "\n".join(counts))
    assert int(counts[-1].removeprefix("all: ").split()[0]) * step > 1000


def test_every_cut_leaves_a_node_that_trusts_the_old_or_the_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_of: OneOf
) -> None:
    """While trust bundles, the site's key, its roots and the node's own key change."""
    (tmp_path / "files.json").write_text(json.dumps(changes()))
    step = one_of(80)
    printed = run("trust_cuts.py", str(tmp_path / "files.json"), str(step))
    counts = [line for line in printed.splitlines() if line.endswith(" cut points")]
    with capsys.disabled():
        print("\n" + "\n".join(counts))
    assert int(counts[-1].removeprefix("all: ").split()[0]) * step > 450


def test_every_cut_leaves_an_agent_that_starts(
    capsys: pytest.CaptureFixture[str], one_of: OneOf
) -> None:
    """While one comes over the link, starts on trial, is confirmed or given up."""
    step = one_of(43)
    printed = run("agent_cuts.py", str(step))
    assert "damaged: 14 states" in printed
    counts = [line for line in printed.splitlines() if line.endswith(" cut points")]
    with capsys.disabled():
        print("\n" + "\n".join(counts))
    assert int(counts[-1].removeprefix("all: ").split()[0]) * step > 700


def test_every_cut_leaves_a_firmware_that_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_of: OneOf
) -> None:
    """While one comes over the link, is confirmed or given up; with the rules of ESP-IDF."""
    for name in ("shim/esp32.py", "otadata.py"):  # the others there would take the node's place
        shutil.copy(ROOT / "tools/boards/virtual" / name, tmp_path)
    step = one_of(43)
    printed = run("firmware_cuts.py", str(step), more=f"{tmp_path}:")
    counts = [line for line in printed.splitlines() if line.endswith(" cut points")]
    with capsys.disabled():
        print("\n" + "\n".join(counts))
    assert int(counts[-1].removeprefix("all: ").split()[0]) * step > 500


@pytest.mark.parametrize("blocks", [352, 512], ids=["Pico, 1408 KiB", "ESP32, 2 MiB"])
def test_a_day_of_renewals_wears_the_flash_little(
    blocks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("wear.py", str(blocks))
    renewals, erases, most, of_blocks = map(int, printed.split())
    years = 100_000 * of_blocks / erases / 365
    with capsys.disabled():
        print(f"\n{blocks} blocks: {renewals} renewals a day, {erases} erases, at most {most} of a")
        print(
            f"block; 100000 erases of each block last {years:.0f} years if they are spread evenly"
        )
    assert of_blocks == blocks
    assert erases <= 4 * renewals
    assert years > 20
