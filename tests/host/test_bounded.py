"""An HTTP server ends the connections of clients that do not take their answers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from tests.worlds import seals
from triseal import certificate, pem, signer
from triseal.certificate import Validity
from triseal.serving import bounded
from triseal.signer import KeySigner

LARGE = 16 << 20  # bytes: more than all buffers on the way hold


async def large() -> Response:
    """An answer in pieces, as that with a file."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGE >> 16):
            yield bytes(1 << 16)

    return StreamingResponse(pieces())


async def take(asked: Request) -> Response:
    """An answer after the whole body, which is waited for without a time limit."""
    try:
        await asked.body()
    except ClientDisconnect:
        return Response(status_code=400)
    return Response(b"taken")


def broken() -> Response:
    """A defect."""
    raise ZeroDivisionError


class One(bounded.BoundedHTTP):
    """A server with room for one connection."""

    most = 1


@pytest.fixture(params=["tcp", "tls"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """A file with a certificate and its key; None without TLS."""
    if request.param == "tcp":
        return None
    key = signer.generate("p256")
    made = certificate.self_signed_ca(KeySigner(key), "x", Validity(seals.NOW, seals.NOW + 9999))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "tls.pem"
    path.write_bytes(pem.encode("CERTIFICATE", made) + private)
    return path


@asynccontextmanager
async def running(tls: Path | None) -> AsyncIterator[tuple[int, set[One]]]:
    """Run a server; its port and its connections."""
    pages = FastAPI()
    pages.add_api_route("/large", large)
    pages.add_api_route("/broken", broken)
    pages.add_api_route("/whole", lambda: Response(bytes(LARGE)))
    pages.add_api_route("/small", lambda: Response(b"here"))
    pages.add_api_route("/take", take, methods=["POST"])
    config = uvicorn.Config(
        pages, http=One, log_config=None, lifespan="off", ssl_certfile=tls, ws="none"
    )
    server = bounded.PagesServer(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        await until(lambda: server.started)
        try:
            yield listener.getsockname()[1], server.server_state.connections  # type: ignore[misc]
        finally:
            server.should_exit = server.force_exit = True
            await task


async def until(told: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not told():  # noqa: ASYNC110 (asyncio tells nobody of its buffers)
            await asyncio.sleep(0.001)


async def more(one: One, reader: asyncio.StreamReader) -> None:
    """Take so much of an answer that it goes on."""
    before = one._resumed
    while one._resumed == before:
        assert await reader.read(1 << 16)
    await until(lambda: one.flow.write_paused)


@asynccontextmanager
async def asked(
    port: int, tls: Path | None, path: str, method: str = "GET", rest: str = "", address: str = ""
) -> AsyncIterator[asyncio.StreamReader]:
    made = socket.socket()
    made.bind((address, 0))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    context = None
    if tls is not None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        sock=made, ssl=context, server_hostname="x" if context else None, limit=4096
    )
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{rest}\r\n".encode())
    try:
        yield reader
    finally:
        writer.transport.abort()


@asynccontextmanager
async def stuck(
    tls: Path | None,
) -> AsyncIterator[tuple[One, int, set[One], asyncio.StreamReader]]:
    """Ask a server for more than the connection takes; the connection as the server has it, the
    server's port, all its connections, and the client's end."""
    async with running(tls) as (port, known), asked(port, tls, "/large") as reader:
        await until(lambda: [one for one in known if one.flow.write_paused])
        (one,) = known
        yield one, port, known, reader


def test_who_takes_nothing_of_an_answer_is_left(
    tls: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)  # looks are made here

    async def run() -> None:
        async with stuck(tls) as (one, _, known, reader):
            one._look()
            for _ in range(3):  # a slow client goes on
                for _ in range(bounded.STALLED_LOOKS - 1):
                    one._look()
                    assert one in known
                await more(one, reader)
                one._look()
                assert not one._stalled
            for _ in range(bounded.STALLED_LOOKS):
                assert one in known
                one._look()
            assert one not in known
            with pytest.raises((OSError, EOFError)):
                await reader.readexactly(LARGE)

    asyncio.run(run())


def test_who_takes_an_answer_too_slowly_is_left(
    tls: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)
    monkeypatch.setattr(bounded, "SLOW_LOOKS", 3)

    async def run() -> None:
        async with stuck(tls) as (one, _, known, reader):
            one._look_again()
            for _ in range(bounded.SLOW_LOOKS):
                assert one in known
                one._look()
                if one in known:
                    await more(one, reader)
                    assert not one._stalled
            assert one not in known

    asyncio.run(run())


def test_who_sends_a_request_too_slowly_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)

    async def run() -> None:
        length = "Content-Length: 1000\r\n"
        async with running(None) as (port, known), asked(port, None, "/take", "POST", length):
            await until(lambda: [one for one in known if one.cycle is not None])
            (one,) = known
            one._look_again()
            for _ in range(bounded.SLOW_LOOKS):
                assert one in known
                one._look()
            assert not known

    asyncio.run(run())


def test_a_connection_that_is_closed_does_not_wait_for_its_client(
    tls: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)

    async def run() -> None:
        async with running(tls) as (port, known), asked(port, tls, "/whole") as reader:
            await until(lambda: [one for one in known if one.cycle and one.idle])
            (one,) = known
            one.timeout_keep_alive_handler()  # closes it, and all that waits must go before
            assert one.transport.is_closing()
            one._look()
            assert one in known  # the client may be taking it
            one._look()
            assert one not in known
            with pytest.raises((OSError, EOFError)):
                await reader.readexactly(LARGE)

    asyncio.run(run())


def test_no_connection_leaves_the_count_by_another_protocol() -> None:
    config = bounded.server(FastAPI()).config
    config.load()
    assert config.ws_protocol_class is None


def test_a_client_that_stalls_makes_room(tls: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)

    async def run() -> None:
        async with stuck(tls) as (one, port, _, first):
            one._look()
            with pytest.raises((OSError, EOFError)):  # the first one may only be slow
                async with asked(port, tls, "/small") as reader:
                    await reader.readuntil(b"here")
            one._look()
            async with asked(port, tls, "/small") as reader:
                assert await reader.readuntil(b"here")
            with pytest.raises((OSError, EOFError)):
                await first.readexactly(LARGE)

    asyncio.run(run())


def test_it_is_left_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 0.01)

    async def run() -> None:
        async with running(None) as (port, known), asked(port, None, "/large") as reader:
            await until(lambda: not known)
            with pytest.raises((OSError, EOFError)):
                await reader.readexactly(LARGE)

    asyncio.run(run())


def test_an_origin_that_has_most_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)
    monkeypatch.setattr(One, "most", 3)

    async def run() -> None:
        async with running(None) as (port, known), AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(asked(port, None, "/large"))
            await until(lambda: [one.idle for one in known] == [False] * 3)
            oldest = min(known, key=lambda one: one._since)
            with pytest.raises((OSError, EOFError)):  # those of its own origin are no reason
                async with asked(port, None, "/small") as reader:
                    await reader.readuntil(b"here")
            assert oldest in known
            async with asked(port, None, "/small", address="127.0.0.2") as reader:
                assert await reader.readuntil(b"here")
            assert oldest not in known

    asyncio.run(run())


def test_a_client_that_sends_many_requests_at_once_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "IDLE_SECONDS", 3600)
    monkeypatch.setattr(One, "most", 2)
    again = "\r\nGET /small HTTP/1.1\r\nHost: a\r\n"

    async def run() -> None:
        async with (
            running(None) as (port, known),
            asked(port, None, "/large"),
            asked(port, None, "/large", rest=again),
        ):
            await until(lambda: [one.idle for one in known] == [False] * 2)
            (plain,) = (one for one in known if not one.conn.trailing_data[0])
            async with asked(port, None, "/small") as reader:
                assert await reader.readuntil(b"here")
                assert len(known) == 2
            assert plain in known

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "rest", "status", "lines"),
    [
        ("/small", "Upgrade: websocket\r\nConnection: Upgrade\r\n", b" 200 ", 0),
        ("/small", "\0: x\r\n", b" 400 ", 0),
        ("/broken", "", b" 500 ", 1),
    ],
)
def test_only_a_defect_is_in_the_log(
    caplog: pytest.LogCaptureFixture, path: str, rest: str, status: bytes, lines: int
) -> None:
    async def run() -> None:
        async with running(None) as (port, _), asked(port, None, path, rest=rest) as reader:
            assert status in await reader.readline()

    asyncio.run(run())
    assert len([one for one in caplog.records if one.levelname in ("WARNING", "ERROR")]) == lines
