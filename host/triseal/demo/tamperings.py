"""Every tampering on the way of a service, with the party that refuses it and the code."""

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
from triseal.signer import KeySigner
from triseal.site.cable import agent, installation
from triseal.site.deployment import SITE_SEAL, Deployment
from triseal.site.records.placement import Place
from triseal.site.slca.authority import SignedSeal
from triseal.store import authority

_SECONDS = 20.0


class Tampering(NamedTuple):
    """One line of the demo's second half.

    Attributes:
        what: the tampering, in words.
        by: the party that must refuse it.
        code: the code of the refusal.
        act: performs it; raises the refusal.
    """

    what: str
    by: str
    code: str
    act: Callable[[Scene], object]


def flip(scene: Scene) -> None:
    """Change one bit of the executable on its way to the node.

    Args:
        scene: the parties.
    """
    files = scene.deployed["thermo"].files()
    executable = bytearray(files["app.py"])
    executable[len(executable) // 2] ^= 1
    _offer(scene, files | {"app.py": bytes(executable)})


def swap(scene: Scene) -> None:
    """Let the Store replace the executable in the package, and sign that.

    Args:
        scene: the parties.
    """
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
    """Let the SLSM issue a seal for an executable that the Store never signed.

    Args:
        scene: the parties.
    """
    package, core = _swapped(scene)
    store = seal.parse(package.store_seal, seal.STORE)
    store.core = core
    forged = _seal(scene, store, Validity(now(), now() + 600))
    _offer(scene, Deployment(Place(NODE, "thermo"), package, forged).files())


def other_node(scene: Scene) -> None:
    """Put a deployment for another node on this one.

    Args:
        scene: the parties.
    """
    scene.site.add_node(OTHER_NODE)
    scene.site.enrol(OTHER_NODE, make_request(KeySigner(signer.generate("p256")), OTHER_NODE))
    scene.site.assign(OTHER_NODE, "thermo")
    _offer(scene, scene.site.deployment(OTHER_NODE, "thermo").files())


def expired(scene: Scene) -> None:
    """Use a seal that has expired.

    Args:
        scene: the parties.
    """
    store = seal.parse(scene.sealed["thermo"].store_seal, seal.STORE)
    old = _seal(scene, store, Validity(now() - 30, now() - 1))
    _offer(scene, scene.deployed["thermo"].files() | {SITE_SEAL: old.der})


def older(scene: Scene) -> None:
    """Put back the old version after the node has taken an update.

    Args:
        scene: the parties.
    """
    newer = scene.sign("thermo", services.THERMO, [services.PUBLISH], "1.1", 2)
    scene.site.add_service(scene.store.submit(newer)[1])
    _offer(scene, scene.site.deployment(NODE, "thermo").files())
    _offer(scene, scene.deployed["thermo"].files())


def revoked(scene: Scene) -> None:
    """Take a grant away while the service still uses it.

    Args:
        scene: the parties.
    """
    scene.site.revoke("thermo", [services.PUBLISH])
    installation.deploy(scene.site, scene.board, NODE, ["thermo"], silent)
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        for status in agent.ask(scene.board).services:
            if status.name == "thermo" and status.code == errors.NotGranted.code:
                raise errors.NotGranted(status.detail)


def _offer(scene: Scene, contents: dict[str, bytes]) -> None:
    installation.offer(scene.board, "thermo", contents, silent)


def _swapped(scene: Scene) -> tuple[Package, bytes]:
    """Return the package with another executable, and the core of seals that would match it."""
    package = scene.sealed["thermo"]
    other = package.executable.replace(b"215", b"999")
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    core = bytes(developer.core).replace(sha256(package.executable), sha256(other))
    return dataclasses.replace(package, executable=other), core


def _seal(scene: Scene, store: seal.Seal, valid: Validity) -> SignedSeal:
    """Sign as the SLCA does when the SLSM asks for the wrong seal."""
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
