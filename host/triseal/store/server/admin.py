"""The HTTP API for administration: the decisions of the commands `triseal store ...`.

It is on a Unix socket that only the owner of the server process can open. The kernel says which
user is at the other end, and that name is recorded with each decision. It may also be on a port
with mutual TLS, see `certified`: then the name in the client's certificate is recorded.

    GET   /v1/store.json        as on the public port, for clients that know the fingerprint
    GET   /v1/admin/developers, services, releases, changes?since=N
    POST  /v1/admin/ACTION      JSON with the arguments of the command ACTION
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from triseal import describestore
from triseal.serving.bounded import BoundedHTTP
from triseal.store.changes import Why, local
from triseal.store.journal import PUBLIC
from triseal.store.pages import MAX_PAGE, STORE
from triseal.store.records import Developer, Release, Service
from triseal.store.server import problems
from triseal.store.server.bodies import SmallBodies
from triseal.store.store import Store

_CREDENTIALS = struct.Struct("3i")  # process, user, group

Text = Annotated[str, Field(max_length=200)]
Reason = Annotated[str, Field(min_length=1, max_length=200)]
Facts = dict[str, Any]


def _whole(value: object) -> object:
    """Take 12.0 for 12: in JSON they are the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OfDeveloper(_Asked):
    """A decision about a developer."""

    name: Text
    reason: Reason


class Approval(_Asked):
    """The approval of a key, whose fingerprint a person has compared."""

    fingerprint: Text
    reason: Text = ""


class NewKey(OfDeveloper):
    """A new key in the place of a lost or stolen one."""

    fingerprint: Text


class Limit(_Asked):
    """The limits of a developer; one that is missing stays as it is."""

    name: Text
    hourly: Annotated[int, Field(ge=0, le=1_000_000), Whole] | None = None
    size: Annotated[int, Field(ge=0, le=1 << 30), Whole] | None = None


class OfService(_Asked):
    """A decision about a service."""

    service: Text
    reason: Reason


class OfRelease(OfService):
    """A decision about a release."""

    version: Text


class OfAny(OfService):
    """A decision about a release, or without a version about the service."""

    version: Text = ""


class HandOver(OfService):
    """A service gets another owner."""

    to: Text


class PeerHTTP(BoundedHTTP):
    """HTTP on a Unix socket; the client of each request is the user at its other end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection: asyncio calls this.

        Args:
            transport: the connection.
        """
        super().connection_made(transport)
        self.client = (user_of(transport.get_extra_info("socket")), 0)


def user_of(connection: socket.socket) -> str:
    """Return the user at the other end of a Unix socket, as decisions are recorded.

    Args:
        connection: the socket.
    """
    user = os.getuid()  # where the kernel does not say it: nobody else can open the socket
    option = getattr(socket, "SO_PEERCRED", None)
    if option is not None:
        data = connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
        user = _CREDENTIALS.unpack(data)[1]
    try:
        return local(pwd.getpwuid(user).pw_name, user)
    except KeyError:
        return local("", user)


def _why(asked: Request, reason: str) -> Why:
    return Why(reason, asked.client.host if asked.client else "")


def app(store: Store) -> FastAPI:
    """Make the application.

    Args:
        store: the Store.
    """
    made = FastAPI(
        title="Triseal Store, administration",
        docs_url=None,
        redoc_url=None,
        responses=problems.documented(400, 403, 404, 408, 409, 413, 503),
    )
    made.add_middleware(SmallBodies)
    problems.install(made)
    _add_lists(made, store)
    _add_of_developers(made, store)
    _add_of_services(made, store)
    return made


def _add_lists(made: FastAPI, store: Store) -> None:
    @made.get(f"/{STORE}")
    def about() -> Response:
        data = store.files.below(PUBLIC).read(STORE, MAX_PAGE)
        return Response(data, media_type="application/json")

    @made.get("/v1/admin/developers")
    def developers() -> list[Facts]:
        return [of_developer(one) for one in store.developers()]

    @made.get("/v1/admin/services")
    def services() -> list[Facts]:
        return [of_service(one) for one in store.services().values()]

    @made.get("/v1/admin/releases")
    def releases(service: Annotated[str | None, Query(max_length=63)] = None) -> list[Facts]:
        return [_of_release(one) for one in store.releases(service)]

    @made.get("/v1/admin/changes")
    def changes(since: Annotated[int, Query(ge=0, le=1 << 31)] = 0) -> list[Facts]:
        return [describestore.of_change(one) for one in store.changes(since)]


def _add_of_developers(made: FastAPI, store: Store) -> None:
    @made.post("/v1/admin/approve")
    def approve(asked: Request, body: Approval) -> Facts:
        return of_developer(store.approve(body.fingerprint, _why(asked, body.reason)))

    @made.post("/v1/admin/approve-key")
    def approve_key(asked: Request, body: NewKey) -> Facts:
        why = _why(asked, body.reason)
        new, old = store.approve_key(body.name, body.fingerprint, why)
        return of_developer(new) | {"replaces": old.fingerprint}

    @made.post("/v1/admin/suspend")
    def suspend(asked: Request, body: OfDeveloper) -> Facts:
        return of_developer(store.suspend(body.name, _why(asked, body.reason)))

    @made.post("/v1/admin/resume")
    def resume(asked: Request, body: OfDeveloper) -> Facts:
        return of_developer(store.resume(body.name, _why(asked, body.reason)))

    @made.post("/v1/admin/limit")
    def limit(body: Limit) -> Facts:
        known = store.set_limits(body.name, body.hourly, body.size)
        return {"name": body.name, "hourly": known.hourly, "size": known.size}


def _add_of_services(made: FastAPI, store: Store) -> None:
    @made.post("/v1/admin/withdraw")
    def withdraw(asked: Request, body: OfRelease) -> Facts:
        why = _why(asked, body.reason)
        return _of_release(store.withdraw(body.service, body.version, why))

    @made.post("/v1/admin/quarantine")
    def quarantine(asked: Request, body: OfAny) -> Facts:
        why = _why(asked, body.reason)
        return of_service(store.quarantine(body.service, body.version, why))

    @made.post("/v1/admin/clear")
    def clear(asked: Request, body: OfAny) -> Facts:
        return of_service(store.clear(body.service, body.version, _why(asked, body.reason)))

    @made.post("/v1/admin/archive")
    def archive(asked: Request, body: OfService) -> Facts:
        return of_service(store.archive(body.service, _why(asked, body.reason)))

    @made.post("/v1/admin/reopen")
    def reopen(asked: Request, body: OfService) -> Facts:
        return of_service(store.reopen(body.service, _why(asked, body.reason)))

    @made.post("/v1/admin/hand-over")
    def hand_over(asked: Request, body: HandOver) -> Facts:
        before = store.hand_over(body.service, body.to, _why(asked, body.reason))
        return {"service": body.service, "owner": body.to, "former_owner": before}


def of_developer(known: Developer) -> Facts:
    """Return the facts about a developer; times are Unix seconds.

    Args:
        known: the developer.
    """
    facts: Facts = {"name": known.name, "state": known.state, "fingerprint": known.fingerprint}
    for name in ("registered_at", "approved_at", "suspended_at", "replaced_at"):
        facts[name] = getattr(known, name)
    return facts


def of_service(known: Service) -> Facts:
    """Return the facts about a service.

    Args:
        known: the service.
    """
    facts: Facts = {"service": known.name, "owner": known.owner, "state": known.state}
    return facts | {name: getattr(known, name) for name in ("archived_at", "quarantined_at")}


def _of_release(release: Release) -> Facts:
    facts = ("service", "version", "security_version", "developer", "state", "submitted_at")
    more = ("withdrawn_at", "quarantined_at")
    found = {name: getattr(release, name) for name in (*facts, *more)}
    return found | {"valid_to": release.ends[0]}
