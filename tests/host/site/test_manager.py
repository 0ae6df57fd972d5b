"""The SLSM: what it takes in, what it gives out, and what it refuses, each with its code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sealcore import bundle, errors, identity, messages, names, seal
from sealcore.compat import sha256
from tests.worlds.site_world import (
    NOW,
    SOURCE,
    YEAR,
    World,
    code_of,
    make_developer,
    make_request,
    make_store,
    signed_package,
)
from triseal import advice, database, signer
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.site import inputs
from triseal.site.errors import NotAssigned
from triseal.site.records import ledger


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        yield made


def swapped(world: World) -> Package:
    """The Store swaps the executable and signs the new one itself."""
    package = world.package()
    other = b"x" + package.executable[1:]
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    core = bytes(developer.core).replace(sha256(package.executable), sha256(other))
    return dataclasses.replace(world.store.countersign(package, core), executable=other)


def flipped(package: Package, field: str) -> Package:
    data = bytearray(getattr(package, field))
    data[-1] ^= 1
    changes: dict[str, Any] = {field: bytes(data)}
    return dataclasses.replace(package, **changes)


PACKAGES: tuple[tuple[str, Callable[[World], Package], str], ...] = (
    ("a package as it should be", lambda w: w.package(), ""),
    (
        "a Store that the site doesn't know",
        lambda w: make_store("Other").countersign(signed_package(w.developer)),
        "untrusted-signer",
    ),
    (
        "another Store under the known one's name",
        lambda w: make_store("Store").countersign(signed_package(w.developer)),
        "bad-signature",
    ),
    ("the Store swaps the executable and signs it", swapped, "seal-mismatch"),
    (
        "a developer whom the Store trusts, the site doesn't",
        lambda w: w.store.countersign(signed_package(make_developer("Bob"))),
        "untrusted-signer",
    ),
    (
        "another key under the developer's name",
        lambda w: w.store.countersign(signed_package(make_developer("Ada"))),
        "untrusted-signer",
    ),
    (
        "a flipped byte in the executable",
        lambda w: flipped(w.package(), "executable"),
        "hash-mismatch",
    ),
    (
        "a flipped byte in the metadata",
        lambda w: flipped(w.package(), "metadata"),
        "metadata-mismatch",
    ),
    (
        "a flipped byte in the Store seal",
        lambda w: flipped(w.package(), "store_seal"),
        "bad-signature",
    ),
    (
        "a flipped byte in the developer seal",
        lambda w: flipped(w.package(), "developer_seal"),
        "predecessor-mismatch",
    ),
    ("no Store seal", lambda w: signed_package(w.developer), "malformed-der"),
    (
        "the two seals in each other's place",
        lambda w: dataclasses.replace(
            w.package(),
            store_seal=w.package().developer_seal,
            developer_seal=w.package().store_seal,
        ),
        "malformed-der",
    ),
    (
        "an executable that is longer than sealed",
        lambda w: dataclasses.replace(w.package(), executable=SOURCE + b"#"),
        "hash-mismatch",
    ),
    (
        "an entry that the metadata doesn't name",
        lambda w: dataclasses.replace(w.package(), name="app.mpy"),
        "bad-metadata",
    ),
    (
        "source that only CPython compiles",
        lambda w: w.package(executable=b"def f(x, /):\n    pass\n"),
        "bad-executable",
    ),
)


@pytest.mark.parametrize(("sentence", "make", "code"), PACKAGES, ids=[row[0] for row in PACKAGES])
def test_packages(world: World, sentence: str, make: Callable[[World], Package], code: str) -> None:
    package = make(world)
    assert code_of(lambda: world.manager.add_service(package)) == code
    with database.reading(world.manager.engine) as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM services").scalar_one()
    assert kept == (0 if code else 1)


UPDATES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("a newer version", {"version": "1.2", "security_version": 5}, ""),
    ("a newer version and security version", {"version": "2.0", "security_version": 6}, ""),
    ("an older security version", {"version": "2.0", "security_version": 4}, "rollback"),
    ("an older version", {"version": "1.0.9", "security_version": 5}, "rollback"),
    (
        "the same version with other content",
        {"version": "1.1", "security_version": 5, "executable": b"pass\n"},
        "rollback",
    ),
)


@pytest.mark.parametrize(("sentence", "fields", "code"), UPDATES, ids=[row[0] for row in UPDATES])
def test_updates(world: World, sentence: str, fields: dict[str, Any], code: str) -> None:
    world.manager.add_service(world.package(version="1.1", security_version=5))
    assert code_of(lambda: world.manager.add_service(world.package(**fields))) == code


def test_the_same_package_and_a_new_store_seal_for_it_are_taken(world: World) -> None:
    package = world.package()
    world.manager.add_service(package)
    world.manager.add_service(package)
    world.manager.add_service(world.store.countersign(package))


def test_a_service_does_not_pass_to_another_developer_unnoticed(world: World) -> None:
    world.manager.add_service(world.package())
    bob = make_developer("Bob")
    world.manager.trust_developer("Bob", bob.signer.spki)
    other = world.store.countersign(signed_package(bob, version="2.0"))
    assert code_of(lambda: world.manager.add_service(other)) == "other-developer"
    world.manager.add_service(other, other_developer=True)


def test_a_developer_no_longer_trusted_gets_nothing_in(world: World) -> None:
    world.manager.distrust_developer("Ada")
    assert code_of(lambda: world.manager.add_service(world.package())) == "untrusted-signer"
    assert code_of(lambda: world.manager.distrust_developer("Ada")) == "unknown-key"


@pytest.mark.parametrize("node_algorithm", ["p256", "rsa2048"])
@pytest.mark.parametrize("algorithm", ["p256", "rsa2048"])
def test_a_deployment_passes_the_nodes_own_check(
    tmp_path: Path, algorithm: str, node_algorithm: str, stack: ExitStack
) -> None:
    world = stack.enter_context(World(tmp_path / "site", algorithm))
    world.add_node("kitchen", node_algorithm)
    world.manager.add_service(world.package())
    world.manager.grant("thermo", ["log", "pin:4"])
    world.manager.assign("kitchen", "thermo")
    made = world.manager.deployment("kitchen", "thermo")
    found = world.check(made)
    assert found.grants == ("log", "pin:4")
    assert (found.not_before, found.not_after) == (NOW, NOW + 5000)
    assert list(made.files()) == [
        "metadata.json",
        "developer.der",
        "store.der",
        "site.der",
        "app.py",
    ]


def test_a_seal_is_for_its_node_and_its_time_alone(world: World) -> None:
    world.add_node("kitchen")
    world.add_node("hall")
    world.manager.add_service(world.package())
    world.manager.assign("kitchen", "thermo")
    made = world.manager.deployment("kitchen", "thermo")
    assert code_of(lambda: world.check(made, node="hall")) == "wrong-node"
    assert code_of(lambda: world.check(made, now=NOW + 5000)) == ""
    assert code_of(lambda: world.check(made, now=NOW + 5001)) == "expired"
    assert code_of(lambda: world.check(made, now=NOW - 1)) == "not-yet-valid"


def test_every_seal_and_certificate_is_in_the_ledger(world: World) -> None:
    world.manager.add_node("kitchen")
    key = signer.generate("p256")
    issued = world.manager.enrol("kitchen", make_request(key, "kitchen"))
    world.manager.add_service(world.package())
    world.manager.assign("kitchen", "thermo")
    made = [world.manager.deployment("kitchen", "thermo") for _ in range(3)]
    with world.open() as other, database.reading(other.engine) as connection:
        for one in made:
            assert ledger.find_seal(connection, one.seal.serial) == one.seal.der
        kept = connection.exec_driver_sql("SELECT der FROM certificates").scalar_one()
        assert kept == issued.der
        assert ledger.find_seal(connection, 1 << 121) is None
    assert len({one.seal.serial for one in made}) == 3


def test_a_node_certificate_is_what_peers_accept(world: World) -> None:
    world.manager.add_node("kitchen")
    key = signer.generate("p256")
    issued = world.manager.enrol("kitchen", make_request(key, "kitchen"))
    trust = bundle.parse(world.manager.bundle().der)
    parsed = identity.parse(issued.der)
    identity.check(parsed, trust.site_keys, "spiffe://house/node/kitchen", NOW)
    assert bytes(parsed.spki) == KeySigner(key).spki
    with pytest.raises(errors.WrongNode):
        identity.check(parsed, trust.site_keys, "spiffe://house/node/hall", NOW)


DEPLOYS: tuple[tuple[str, str, str, str], ...] = (
    ("a node that isn't there", "attic", "thermo", "unknown-node"),
    ("a service that isn't there", "kitchen", "heater", "unknown-service"),
    ("a service assigned to another node", "kitchen", "thermo", "not-assigned"),
    ("a node without a key", "cellar", "thermo", "node-not-enrolled"),
    ("a retired node", "shed", "thermo", "node-retired"),
)


@pytest.mark.parametrize(
    ("sentence", "node", "service", "code"), DEPLOYS, ids=[row[0] for row in DEPLOYS]
)
def test_nothing_leaves_for(
    world: World, sentence: str, node: str, service: str, code: str
) -> None:
    for name in ("kitchen", "hall", "shed"):
        world.add_node(name)
    world.manager.add_node("cellar")
    world.manager.add_service(world.package())
    for name in ("hall", "shed", "cellar"):
        world.manager.assign(name, "thermo")
    world.manager.retire("shed")
    assert code_of(lambda: world.manager.deployment(node, service)) == code
    with database.reading(world.manager.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM seals").scalar_one() == 0


def test_no_seal_begins_outside_of_the_seals_below_it(world: World) -> None:
    world.add_node("kitchen")
    world.manager.add_service(world.package())
    world.manager.assign("kitchen", "thermo")
    world.now = NOW + YEAR
    assert code_of(lambda: world.check(world.manager.deployment("kitchen", "thermo"))) == ""
    world.now = NOW + YEAR + 1
    assert code_of(lambda: world.manager.deployment("kitchen", "thermo")) == "expired"
    world.now = NOW - 61
    assert code_of(lambda: world.manager.deployment("kitchen", "thermo")) == "not-yet-valid"


def test_nobody_is_trusted_under_a_name_that_people_could_misread(world: World) -> None:
    spki = make_developer().signer.spki
    before = world.manager.bundle().version
    for name in ("", "Ada ", "A\u200bda", "x" * 65):
        assert code_of(partial(world.manager.trust_developer, name, spki)) == "bad-name", name
    assert world.manager.bundle().version == before


def test_a_retired_node_gets_nothing_ever(world: World) -> None:
    world.add_node("kitchen")
    world.manager.add_service(world.package())
    world.manager.retire("kitchen")
    request = make_request(world.node_keys["kitchen"], "kitchen")
    tries: tuple[Callable[[], object], ...] = (
        lambda: world.manager.assign("kitchen", "thermo"),
        lambda: world.manager.enrol("kitchen", request, replace=True),
        lambda: world.manager.retire("kitchen"),
        lambda: world.manager.grant("thermo", ["log"], ["kitchen"]),
    )
    assert [code_of(one) for one in tries] == ["node-retired"] * 4
    assert code_of(lambda: world.manager.add_node("kitchen")) == "name-taken"


def damaged(csr: bytes) -> bytes:
    return csr[:-1] + bytes([csr[-1] ^ 1])


def of_version(der: bytes, number: int) -> bytes:
    """A request or certificate with another version, the first integer of one byte in it."""
    at = der.index(b"\x02\x01") + 2
    return der[:at] + bytes([number]) + der[at + 1 :]


REQUESTS: tuple[tuple[str, Callable[[bytes], bytes], str], ...] = (
    ("the node's own, once more", lambda own: own, ""),
    ("with a signature that isn't its key's", damaged, "bad-request"),
    ("for another name", lambda own: make_request(signer.generate("p256"), "hall"), "other-node"),
    (
        "with another key",
        lambda own: make_request(signer.generate("p256"), "kitchen"),
        "other-node-key",
    ),
    ("empty", lambda own: b"", "bad-request"),
    ("cut short", lambda own: own[:-2], "bad-request"),
    ("of a version that does not exist", lambda own: of_version(own, 7), "bad-request"),
    ("followed by something", lambda own: own + b"\x00", "bad-request"),
)


@pytest.mark.parametrize(("sentence", "change", "code"), REQUESTS, ids=[row[0] for row in REQUESTS])
def test_requests(world: World, sentence: str, change: Callable[[bytes], bytes], code: str) -> None:
    spki = world.add_node("kitchen")
    request = change(make_request(world.node_keys["kitchen"], "kitchen"))
    assert code_of(lambda: world.manager.enrol("kitchen", request)) == code
    world.manager.add_service(world.package())
    world.manager.assign("kitchen", "thermo")
    made = world.manager.deployment("kitchen", "thermo")
    assert bytes(seal.parse(made.seal.der, seal.SITE).spki) == spki


def test_another_key_takes_the_nodes_place_only_when_asked_to(world: World) -> None:
    world.add_node("kitchen")
    world.node_keys["kitchen"] = signer.generate("rsa2048")
    request = make_request(world.node_keys["kitchen"], "kitchen")
    world.manager.enrol("kitchen", request, replace=True)
    world.manager.add_service(world.package())
    world.manager.assign("kitchen", "thermo")
    world.check(world.manager.deployment("kitchen", "thermo"))


def test_trust_bundles_only_grow_in_version_and_are_the_sites(world: World) -> None:
    first = world.manager.bundle()
    assert first.version == 3  # of the site alone, with the Store, with the developer
    second = world.manager.trust_developer("Bob", make_developer().signer.spki)
    second.check_update(first)
    with pytest.raises(errors.Rollback):
        first.check_update(second)
    known = {str(names.common_name(name)): key for name, key in known_of(world).values()}
    assert world.manager.trust_developer("Bob", known["Bob"]).version == second.version


def known_of(world: World) -> dict[bytes, tuple[bytes, bytes]]:
    return world.manager.known_developers()


def test_a_bundle_that_no_node_would_take_is_not_kept(world: World) -> None:
    def fill(count: int) -> bundle.TrustBundle:
        many = tuple((number.to_bytes(32, "big"), 0x80) for number in range(count))
        return world.manager.change_trust(lambda before: replace(before, developers=many))

    most = len(fill(170).developers) // 33
    for more in (10, 1):
        while code_of(lambda: fill(most + more)) != "too-large":  # noqa: B023
            most += more
    assert 170 < most < 204
    trust = world.manager.bundle()
    assert len(trust.developers) == most * 33
    time = world.manager.authority.sign_time(bytes(16), NOW)
    messages.frame(messages.write(messages.WELCOME, time, trust.der))  # one that it is told


def node_certificate(world: World) -> bytes:
    world.manager.add_node("kitchen")
    return world.manager.enrol("kitchen", make_request(signer.generate("p256"), "kitchen")).der


STORES: tuple[tuple[str, Callable[[World], bytes], str], ...] = (
    ("expired", lambda w: make_store("Old").certificate, "bad-authority"),
    ("no CA", node_certificate, "bad-authority"),
    ("another Store of the same name", lambda w: make_store("Store").certificate, "name-taken"),
    ("the same once more", lambda w: w.store.certificate, ""),
)


@pytest.mark.parametrize(("sentence", "make", "code"), STORES, ids=[row[0] for row in STORES])
def test_stores(world: World, sentence: str, make: Callable[[World], bytes], code: str) -> None:
    certificate = make(world)
    if sentence == "expired":
        world.now = NOW + YEAR + 1
    assert code_of(lambda: world.manager.trust_store(certificate)) == code
    assert len(world.manager.bundle().store_keys) == 1


def test_undeployed_is_no_longer_assigned(world: World) -> None:
    world.add_node("kitchen")
    world.manager.add_service(world.package())
    world.manager.assign("kitchen", "thermo")
    assert world.manager.assigned("kitchen") == ["thermo"]
    world.manager.undeploy("kitchen", "thermo")
    assert world.manager.assigned("kitchen") == []
    with pytest.raises(NotAssigned) as refused:
        world.manager.undeploy("kitchen", "thermo")
    assert "deploy" not in advice.line(refused.value)


def test_files_of_a_version_that_does_not_exist_are_refused(world: World) -> None:
    certificate = of_version(world.store.certificate, 7)
    assert code_of(lambda: inputs.certificate(certificate)) == "bad-authority"
    request = of_version(make_request(signer.generate("p256"), "Ada"), 7)
    assert code_of(lambda: inputs.developer(request, None)) == "bad-request"
