"""The intake of packages: the checks that a package must pass before the site keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from sealcore import errors, names, seal, upstream
from sealcore.bundle import TrustBundle
from sealcore.compat import sha256
from sealcore.seal import Seal
from triseal import loadable, metadata, version
from triseal.errors import BadMetadata
from triseal.package import Package
from triseal.site.errors import ManyNodes, OtherDeveloper
from triseal.site.records import releases, services
from triseal.site.rules import agents, rollout

_NAMED = 5  # number of nodes that a refusal names


@dataclass(frozen=True)
class Choices:
    """The choices of the person who adds a package.

    Attributes:
        other_developer: whether the service may pass to another developer, with its grants.
        hold: whether no node gets the package until it is rolled out (`rollout`). Otherwise all
            nodes get it, and a release that was held back before is no longer held. The first
            package of a service is never held, and the same package again changes nothing.
        most: number of nodes that may get the package at once in place of another version; None for
            any number.
    """

    other_developer: bool = False
    hold: bool = False
    most: int | None = None


class Taken(NamedTuple):
    """A package that was taken in.

    Attributes:
        store: its Store seal.
        nodes: names of the nodes that get it now in place of another version, sorted.
    """

    store: Seal
    nodes: list[str]


def add(
    connection: Connection, trusted: TrustBundle, package: Package, now: int, choices: Choices
) -> Taken:
    """Take in the first package of a service, or a newer one.

    The package is checked as a node would check it (the steps of `sealcore.custody` except 2-4).

    Args:
        connection: a writing transaction.
        trusted: the newest trust bundle.
        package: the package.
        now: the time, Unix seconds.
        choices: the choices of the person who adds it.

    Returns: the Store seal, and the nodes that get the package now.

    Raises:
        SealError: a seal is refused; Rollback if the package is not newer.
        BadMetadata: a node can't use the metadata.
        BadExecutable: MicroPython can't load the executable.
        OtherDeveloper: the service belongs to another developer.
        ManyNodes: too many nodes would get the package at once.
        UnfitBoards: it is an agent, and one of these nodes can't take it.
    """
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    known = services.find(connection, developer.service)
    floor = known.security_version if known else 0
    store = upstream.verify_package(package.opened(), trusted, now, floor)
    described = metadata.parse(package.metadata)
    if (described.name, described.entry) != (store.service, package.name):
        raise BadMetadata(f"it describes {described.entry} of {described.name}")
    loadable.check(package.name, package.executable, kind=described.kind, chip=described.chip)
    digest = sha256(package.store_seal)
    moved: list[str] = []
    if known is not None and known.package != digest:
        before = services.load(connection, known.package)
        _check_newer(store, known.service_version, package, before)
        if metadata.parse(before.metadata).kind != described.kind:
            raise BadMetadata(f"{store.service} was no {described.kind} before")
        if not choices.other_developer:
            _check_same_developer(developer, before)
        if choices.hold:
            releases.hold(connection, store.service, known.package)
        else:
            moved = rollout.nodes_with(connection, store.service)
            _check_few(store, moved, choices.most)
            releases.free(connection, store.service)
    services.keep(connection, store, digest, package, now)
    agents.check(connection, digest, moved)
    return Taken(store, moved)


def _check_few(store: Seal, moved: list[str], most: int | None) -> None:
    if most is not None and len(moved) > most:
        named = ", ".join(moved[:_NAMED])
        more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
        what = f"{store.service} {store.service_version}"
        raise ManyNodes(f"{what} would go to {len(moved)} nodes at once: {named}{more}")


def _check_newer(store: Seal, had: str, package: Package, before: Package) -> None:
    """Refuse an older version, or the same version with another content.

    The developer and the Store may seal the same content again, for longer.
    """
    content = seal.parse(before.developer_seal, seal.DEVELOPER).core
    same = seal.parse(package.developer_seal, seal.DEVELOPER).core == content
    new, old = version.parse(store.service_version), version.parse(had)
    if new < old or (new == old and not same):
        raise errors.Rollback(f"version {store.service_version}, had {had}")


def _check_same_developer(developer: Seal, before: Package) -> None:
    known = seal.parse(before.developer_seal, seal.DEVELOPER)
    if known.issuer != developer.issuer:
        was, comes = names.common_name(known.issuer), names.common_name(developer.issuer)
        raise OtherDeveloper(f"{developer.service} was signed by {was}, and now by {comes}")
