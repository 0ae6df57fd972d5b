"""Who connects and says nothing takes no place of anybody else."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from triseal.serving.door import Door, crowding, raise_limit


class Small(Door):
    """A door with little room."""

    most = 4


@contextmanager
def opened(kind: type[Door] = Small) -> Iterator[Door]:
    with kind(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        yield door


def connected(door: Door, stack: ExitStack, address: str = "127.0.0.1") -> socket.socket:
    """Connect from an address of this computer."""
    place = door.getsockname()
    made = socket.create_connection(place, 10, source_address=(address, 0))
    stack.callback(made.close)
    return made


def ended(client: socket.socket) -> bool:
    """Whether the server has ended the connection; it is asked without waiting."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def test_the_oldest_of_the_busiest_origin_makes_room() -> None:
    with opened() as door, ExitStack() as stack:
        other = connected(door, stack, "127.0.0.2")
        stack.enter_context(door.accept()[0])
        many = []
        for _ in range(6):
            many.append(connected(door, stack))
            stack.enter_context(door.accept()[0])
            assert door.strangers <= Small.most
        assert [ended(one) for one in many] == [True] * 3 + [False] * 3
        assert not ended(other)


def test_who_has_begun_or_gone_is_not_counted() -> None:
    with opened() as door, ExitStack() as stack:
        clients = [connected(door, stack) for _ in range(6)]
        first, _ = door.accept()
        stack.enter_context(first)
        door.begun(first.fileno())
        assert door.strangers == 0
        for _ in range(3):
            door.accept()[0].close()
        for _ in range(2):
            stack.enter_context(door.accept()[0])
        assert door.strangers == 2
        assert not ended(clients[0])


def test_without_a_file_descriptor_asyncio_waits_and_does_not_log_each_try() -> None:
    with opened() as door, ExitStack() as stack:
        client = connected(door, stack)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            with pytest.raises(OSError, match="Too many open files"):
                door.accept()
            with pytest.raises(BlockingIOError):
                door.accept()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        made, _ = door.accept()
        with made:
            assert made.getpeername() == client.getsockname()


def test_the_limit_of_files_is_raised_as_far_as_it_goes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = hard == resource.RLIM_INFINITY
    top = soft if endless or soft < hard else hard
    steps = [(top - 3, top - 2), (top - 1, top - 1)] + [(hard + 1, hard)] * (not endless)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (top - 2, hard))
        for needed, found in steps:
            assert raise_limit(needed) == min(needed, found)
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (found, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_which_one_is_crowding() -> None:
    assert crowding({1: "a", 2: "b", 3: "b", 4: "a", 5: "b"}) == 2
    assert crowding({1: "a", 2: "b"}) == 1


def test_a_handshake_that_does_not_come_is_ended_by_asyncio() -> None:
    """The kernel's end of the connection is enough: asyncio closes the descriptor."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with opened() as door, ExitStack() as stack:
            door.setblocking(False)
            server = await loop.create_server(asyncio.Protocol, sock=door, ssl=context)
            clients = [connected(door, stack) for _ in range(3 * Small.most)]
            for one in clients[: -Small.most]:
                one.setblocking(False)
                assert await asyncio.wait_for(loop.sock_recv(one, 1), 10) == b""
            assert door.strangers == Small.most
            server.close()

    asyncio.run(run())
