"""Every tampering on the way, by whom it is done and who refuses it, with which code."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import NamedTuple

from sealcore import errors, seal, sealwriter
from sealcore.compat import sha256
from triseal import certificate, signer
from triseal.certificate import Validity
from triseal.demo import services
from triseal.demo.scene import NODE, OTHER_NODE, Scene, now, validity
from triseal.demo.stations import silent
from triseal.package import Package
from triseal.request import make as make_request
from triseal.site.cable import agent, installation
from triseal.site.deployment import SITE_SEAL, Deployment
from triseal.site.records.placement import Place
from triseal.site.slca.authority import SignedSeal
from triseal.store import authority

_SECONDS = 20.0


class Tampering(NamedTuple):
    """One line of the demo's second half.

    Attributes:
        what: the tampering, as a sentence.
        by: who has to refuse it.
        code: with which code.
        act: does it; raises the refusal.
    """

    what: str
    by: str
    code: str
    act: Callable[[Scene], object]


def flip(scene: Scene) -> None:
    """One bit of the executable changes on the way to the node."""
    files = scene.deployed["thermo"].files()
    executable = bytearray(files["app.py"])
    executable[len(executable) // 2] ^= 1
    _offer(scene, files | {"app.py": bytes(executable)})


def swap(scene: Scene) -> None:
    """The Store puts another executable into the package and signs that."""
    package, core = _swapped(scene)
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    key = authority.unlock(scene.folder / "store", lambda: b"")
    forged = certificate.issue(
        key,
        bytes(scene.store.certificate.subject),
        bytes(developer.subject),
        bytes(developer.spki),
        validity(),
        certificate.new_serial(),
        certificate.code_seal_extensions(
            key.spki, sealwriter.service_seal(core, sha256(package.developer_seal))
        ),
    )
    scene.site.add_service(dataclasses.replace(package, store_seal=forged))


def unsigned_hash(scene: Scene) -> None:
    """The SLSM has a seal issued for an executable that the Store never signed."""
    package, core = _swapped(scene)
    store = seal.parse(package.store_seal, seal.STORE)
    store.core = core
    forged = _seal(scene, store, Validity(now(), now() + 600))
    _offer(scene, Deployment(Place(NODE, "thermo"), package, forged).files())


def other_node(scene: Scene) -> None:
    """A deployment for another node is put on this one."""
    scene.site.add_node(OTHER_NODE)
    scene.site.enrol(OTHER_NODE, make_request(signer.generate("p256"), OTHER_NODE))
    scene.site.assign(OTHER_NODE, "thermo")
    _offer(scene, scene.site.deployment(OTHER_NODE, "thermo").files())


def expired(scene: Scene) -> None:
    """A seal whose time is over."""
    store = seal.parse(scene.sealed["thermo"].store_seal, seal.STORE)
    old = _seal(scene, store, Validity(now() - 30, now() - 1))
    _offer(scene, scene.deployed["thermo"].files() | {SITE_SEAL: old.der})


def older(scene: Scene) -> None:
    """The node has taken an update; somebody puts back what it had before."""
    newer = scene.sign("thermo", services.THERMO, [services.PUBLISH], "1.1", 2)
    scene.site.add_service(scene.store.submit(newer)[1])
    _offer(scene, scene.site.deployment(NODE, "thermo").files())
    _offer(scene, scene.deployed["thermo"].files())


def revoked(scene: Scene) -> None:
    """A grant is taken away; the service uses it all the same."""
    scene.site.revoke("thermo", [services.PUBLISH])
    installation.deploy(scene.site, scene.board, NODE, ["thermo"], silent)
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        for one in agent.ask(scene.board).services:
            if one.name == "thermo" and one.code == errors.NotGranted.code:
                raise errors.NotGranted(one.detail)


def _offer(scene: Scene, contents: dict[str, bytes]) -> None:
    installation.offer(scene.board, "thermo", contents, silent)


def _swapped(scene: Scene) -> tuple[Package, bytes]:
    """The package with another executable, and what seals that speak of it would hold."""
    package = scene.sealed["thermo"]
    other = package.executable.replace(b"215", b"999")
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    core = bytes(developer.core).replace(sha256(package.executable), sha256(other))
    return dataclasses.replace(package, executable=other), core


def _seal(scene: Scene, store: seal.Seal, valid: Validity) -> SignedSeal:
    """What the SLCA signs when the SLSM asks for the wrong thing."""
    known = seal.parse(scene.deployed["thermo"].seal.der, seal.SITE)
    predecessor = sha256(scene.sealed["thermo"].store_seal)
    prepared = scene.site.issuer.prepare(NODE, bytes(known.spki), store, predecessor, known.grants)
    return scene.site.authority.seal(prepared, valid)


TAMPERINGS = (
    Tampering("one bit of the executable flipped", NODE, "hash-mismatch", flip),
    Tampering("Store swaps the executable and signs it", "SLSM", "seal-mismatch", swap),
    Tampering("SLSM seals what the Store never signed", NODE, "seal-mismatch", unsigned_hash),
    Tampering("the seal of another node", NODE, "wrong-node", other_node),
    Tampering("a seal whose time is over", NODE, "expired", expired),
    Tampering("an older security version", NODE, "rollback", older),
    Tampering("a grant removed, and used", NODE, "not-granted", revoked),
)
