"""The HTTP application of a Store.

Reading: the files of the public folder, see `pages`; everything else is not there. Writing:

    POST /v1/developers     a developer's request, or a replacement: both are signed in themselves
    GET  /v1/nonce          for the signature of the next request
    GET  /v1/events         each new entry of the log, see `events`
    POST /v1/submissions    a package, signed by the developer: see `signedrequest`
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from sealcore import errors, seal
from triseal import package, replacement, request, signedrequest
from triseal.errors import OtherSigner
from triseal.log import note
from triseal.serving.door import crowding, origin
from triseal.signedrequest import NotSigned
from triseal.store import authority, standing
from triseal.store.pages import Pages, package_path
from triseal.store.records import Developer
from triseal.store.server import people, problems, reading
from triseal.store.server.bodies import SMALL_SECONDS, received
from triseal.store.server.events import Events
from triseal.store.server.flood import Flood
from triseal.store.server.metrics import Metrics
from triseal.store.server.nonces import SECONDS, Nonces
from triseal.store.server.reading import MOST_DIGITS, parameters
from triseal.store.store import Store

EVENTS = "/v1/events"
MOST_WAITING = 1000  # developers who wait for approval; anybody can register
_AT_ONCE = 2  # packages that are checked and sealed: each needs some six times its size
_LARGE = 1 << 22  # bytes: of larger packages only one at a time
_MAX_REQUEST = max(request.MAX_SIZE, replacement.MAX_SIZE)


class Api:
    """The writing side of one server process.

    Args:
        store: the Store.
        incoming: folder for bodies that are being received.
        metrics: the metrics of the process.
    """

    def __init__(self, store: Store, incoming: Path, metrics: Metrics) -> None:
        self._store = store
        self._flood = Flood(metrics.bodies)
        self._incoming = incoming
        self._nonces = Nonces(store)
        self._registering = threading.Lock()
        self._origins: dict[str, str] = {}  # of developers who wait, as far as they are known
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._large = asyncio.Semaphore(1)

    async def nonce(self) -> dict[str, object]:
        """Return a nonce for one signature, and the server's time."""
        now = int(time.time())
        return {"nonce": await run_in_threadpool(self._nonces.make, now), "time": now}

    async def register(self, asked: Request) -> JSONResponse:
        """Register a developer, or replace a key.

        Args:
            asked: the request.
        """
        data = await self._small(asked, _MAX_REQUEST)
        known = await run_in_threadpool(self._register, data, _address(asked))
        facts = {"name": known.name, "state": known.state, "fingerprint": known.fingerprint}
        return JSONResponse(facts, 201)

    async def _small(self, asked: Request, limit: int) -> bytes:
        """Receive a small body of anybody."""
        async with (
            self._flood.anonymous(_address(asked)),
            received(asked, self._incoming, limit, None, SMALL_SECONDS) as body,
        ):
            return body.read()

    def _register(self, data: bytes, address: str) -> Developer:
        """Register a developer. Where many wait, one of the origin that has most is forgotten.

        Anybody can register, so that nobody may be refused because others have.
        """
        with self._registering:
            waiting = [one for one in self._store.developers() if one.state == "pending"]
            marks = [one.fingerprint for one in waiting]  # the oldest first
            origins = {mark: self._origins.get(mark, "") for mark in marks}
            full = len(marks) >= MOST_WAITING
            known = self._store.register(data, crowding(origins) if full else None)
            origins.setdefault(known.fingerprint, origin(address))
            self._origins = origins
        return known

    async def cosign(self, asked: Request) -> dict[str, object]:
        """Take the newest checkpoint with the cosignatures of witnesses.

        Args:
            asked: the request.
        """
        data = await self._small(asked, note.MAX_SIZE)
        return {"witnesses": await run_in_threadpool(self._store.cosign, data)}

    async def submit(self, asked: Request) -> JSONResponse:
        """Take a package, and answer when the log has it.

        Args:
            asked: the request.
        """
        spki, wanted = await self._signed(asked)
        mark = request.fingerprint(spki)
        self._flood.asked(mark, int(time.time()))
        with self._flood.body(mark):
            async with received(asked, self._incoming, package.MAX_SIZE, wanted.digest) as body:
                size = body.seek(0, os.SEEK_END)
                body.seek(0)
                large = self._large if size > _LARGE else nullcontext()
                async with large, self._turn:
                    return JSONResponse(await run_in_threadpool(self._submit, body, spki))

    async def _signed(self, asked: Request) -> tuple[bytes, signedrequest.Wanted]:
        """Check the signature and the developer, before anything of the body is read."""
        mark = asked.headers.get(signedrequest.KEY, "")
        known, own = await run_in_threadpool(self._known)
        developer = next((one for one in known if one.fingerprint == mark), None)
        if developer is None:
            raise NotSigned("no registered key has this fingerprint")
        found = signedrequest.check(asked.headers.get(signedrequest.REQUEST, ""), developer.spki)
        if found.store != own:
            raise NotSigned("a request to another Store was signed")
        if (found.method, found.path) != (asked.method, asked.url.path):
            raise NotSigned("another request was signed")
        now = int(time.time())
        if abs(found.time - now) > SECONDS:
            raise NotSigned(f"the clocks differ by {abs(found.time - now)} s")
        _check_approved(developer)  # first: anybody can register keys, and nonces are kept
        await run_in_threadpool(self._nonces.use, found.nonce, mark, now)
        return developer.spki, found

    def _known(self) -> tuple[list[Developer], str]:
        """Return the developers, and the fingerprint of the Store's key as of now."""
        own = authority.load_certificate(self._store.home).spki
        return self._store.developers(), request.fingerprint(bytes(own))

    def _submit(self, body: IO[bytes], spki: bytes) -> dict[str, object]:
        submitted = package.parse(body.read(package.MAX_SIZE + 1))
        if seal.parse(submitted.developer_seal, seal.DEVELOPER).spki != spki:
            raise OtherSigner("the one who sent it has not sealed it")
        release, sealed = self._store.submit(submitted)
        digest = sealed.digest().hex()
        return {
            "service": release.service,
            "version": release.version,
            "package": digest,
            "path": f"/{package_path(digest)}",
            "store_seal": base64.b64encode(sealed.store_seal).decode(),
            "proof": sealed.proof,
        }


def _address(asked: Request) -> str:
    return asked.client.host if asked.client else ""


def _check_approved(known: Developer) -> None:
    """Refuse a key for which nothing is sealed. Anybody can register many keys."""
    failure = standing.barred(known)
    if failure is not None:
        raise failure
    if known.state != "approved":
        raise errors.UntrustedSigner(
            f"the key {known.fingerprint} of {known.name} is {known.state}, not approved"
        )


def app(store: Store, incoming: Path, metrics: Metrics, events: Events) -> FastAPI:
    """Make the application.

    Args:
        store: the Store.
        incoming: folder for bodies that are being received.
        metrics: the metrics of the process.
        events: the listeners of the process.
    """
    api = Api(store, incoming, metrics)
    made = FastAPI(title="Triseal Store", docs_url=None, redoc_url=None)
    _add_writing(made, api)
    _add_events(made, events)
    metrics.listeners.set_function(lambda: events.listeners)
    people.install(made, people.People(store))
    reading.add(made, Pages(store.files))
    problems.install(made)
    return made


def _add_writing(made: FastAPI, api: Api) -> None:
    refused = problems.documented(400, 408, 413, 429, 503)
    signed = problems.documented(400, 401, 403, 404, 408, 409, 413, 429, 503)
    made.add_api_route("/v1/nonce", api.nonce, methods=["GET"], responses=problems.documented(503))
    made.add_api_route(
        "/v1/developers",
        api.register,
        methods=["POST"],
        status_code=201,
        responses=refused | problems.documented(403, 404, 409),
        openapi_extra=_body("The request or the replacement, PEM or DER"),
    )
    headers = {
        signedrequest.KEY: "SHA-256 of the developer's key, hex",
        signedrequest.REQUEST: "The signed request, base64",
    }
    made.add_api_route(
        "/v1/submissions",
        api.submit,
        methods=["POST"],
        responses=signed,
        openapi_extra=_body("The package") | {"parameters": parameters("header", headers)},
    )
    made.add_api_route(
        "/v1/cosignatures",
        api.cosign,
        methods=["POST"],
        responses=refused | problems.documented(403, 409),
        openapi_extra=_body("The newest checkpoint with cosignatures of witnesses"),
    )


def _add_events(made: FastAPI, events: Events) -> None:
    async def listen(asked: Request) -> Response:
        return await events.open(_first(asked), _address(asked))

    texts = [
        *parameters("header", {"Last-Event-ID": "The last entry that the client has"}, "integer"),
        *parameters("query", {"since": "The first entry that the client wants"}, "integer"),
    ]
    made.add_api_route(
        EVENTS,
        listen,
        methods=["GET"],
        response_class=StreamingResponse,
        responses=problems.documented(400, 409, 429, 503),
        openapi_extra={"parameters": texts},
    )


def _body(text: str) -> dict[str, Any]:
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "description": text, "content": content}}


def _first(asked: Request) -> int | None:
    """Return the position of the first entry that a listener wants; None for new ones."""
    last = asked.headers.get("last-event-id")
    since = asked.query_params.get("since")
    text = last if last is not None else since
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise HTTPException(400, "Last-Event-ID and since are positions in the log")
    return int(text) + (last is not None)
