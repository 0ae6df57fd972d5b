"""The stations on the way of a service. Each one returns a line about what it did."""

from __future__ import annotations

from collections.abc import Callable

from sealcore import timetext
from triseal.copies.answer import sealed_by
from triseal.demo import services
from triseal.demo.scene import NODE, Scene
from triseal.developer import home as developer_home
from triseal.site import obtaining
from triseal.site.cable import dialogue, enrolment, installation
from triseal.storelink import Link


def seal(scene: Scene) -> str:
    """Let the developer seal two services.

    Args:
        scene: the parties.
    """
    scene.signed["thermo"] = scene.sign("thermo", services.THERMO, [services.PUBLISH])
    capabilities = [services.SUBSCRIBE, services.LOG]
    scene.signed["display"] = scene.sign("display", services.DISPLAY, capabilities)
    return f"{scene.developer.name} signs thermo 1.0 and display 1.0"


def countersign(scene: Scene) -> str:
    """Let the developer register and upload; the Store checks, countersigns and logs the packages.

    Args:
        scene: the parties.
    """
    with Link(scene.url) as link:
        registered = link.register(developer_home.request_pem(scene.folder / "dev"))
        scene.store.approve(str(registered["fingerprint"]))
        for service, package in scene.signed.items():
            answer = link.submit(package.der(), scene.developer.signer)
            scene.sealed[service] = sealed_by(package, answer)
    return "Ada uploads by HTTPS; the Store approves her, checks, countersigns, logs both"


def grant(scene: Scene) -> str:
    """Let the site get the packages by HTTPS, check them itself, and grant what they may do.

    Args:
        scene: the parties.
    """
    scene.site.trust_store(bytes(scene.store.certificate.der))
    scene.site.logs.pin(bytes(scene.store.certificate.spki), scene.store.log_key)
    scene.site.trust_developer(scene.developer.name, scene.developer.signer.spki)
    trusted = scene.site.bundle().store_keys
    for service in scene.sealed:
        package = obtaining.obtain(scene.site.logs, scene.url, service, trusted)
        scene.site.add_service(package)
    scene.site.grant("thermo", [services.PUBLISH])
    scene.site.grant("display", [services.SUBSCRIBE, services.LOG])
    granted = f"{services.PUBLISH}, {services.SUBSCRIBE}, log"
    return f"the site gets both, checks seals and log, grants {granted}"


def provision(scene: Scene) -> str:
    """Make the board a node.

    Args:
        scene: the parties.
    """
    scene.site.add_node(NODE)
    done, status = enrolment.enrol(scene.site, scene.board, NODE, {}, silent)
    version = ".".join(map(str, done.facts.version))
    return (
        f"{NODE} (MicroPython {version}) makes its own key; {len(done.code.copied)} files, "
        f"{status.heap_free // 1024} KiB heap free"
    )


def issue(scene: Scene) -> str:
    """Let the SLCA issue site seals for this node.

    Args:
        scene: the parties.
    """
    for service in scene.sealed:
        scene.site.assign(NODE, service)
        scene.deployed[service] = scene.site.deployment(NODE, service)
    until = scene.deployed["thermo"].seal.validity.not_after
    return f"the SLCA seals both for {NODE} alone, until {timetext.iso(until)}"


def verify(scene: Scene) -> str:
    """Let the node check all three seals, the executable and the time.

    Args:
        scene: the parties.
    """
    installation.prepare(scene.site, scene.board, silent)
    facts = [
        installation.offer(scene.board, service, made.files(), silent)
        for service, made in scene.deployed.items()
    ]
    slowest, heap = (max(fact[key] for fact in facts) for key in ("ms", "heap"))
    return f"{NODE} runs the ten steps for both: {slowest} ms each, {heap // 1024} KiB heap in use"


def run(scene: Scene) -> str:
    """Let the services run; one hears the other one on the node's bus.

    Args:
        scene: the parties.
    """
    scene.board.soft_reset()
    dialogue.tell_time(scene.site, scene.board)
    scene.board.wait_for(services.SHOWN)
    value = scene.board.wait_for("\n").strip()
    return f"display logs what thermo publishes: {services.TOPIC} is {value}"


def silent(step: str, done: int, total: int) -> None:
    """Report nothing: the demo prints lines of its own.

    Args:
        step: name of the step.
        done: bytes done.
        total: bytes in all.
    """


STATIONS: tuple[tuple[str, Callable[[Scene], str]], ...] = (
    ("seal", seal),
    ("countersign", countersign),
    ("grant", grant),
    ("provision", provision),
    ("issue", issue),
    ("verify", verify),
    ("run", run),
)
