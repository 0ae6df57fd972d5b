"""Where a server listens: several addresses, IPv4 and IPv6, all of them or none."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from tests.worlds.ports import quiet_port
from triseal.site.server.listeners import tls

WITHOUT_IPV6 = "" if socket.has_dualstack_ipv6() else "this system has no IPv6 beside IPv4"


@contextmanager
def listening(*places: tuple[str, int]) -> Iterator[Sequence[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(one) for one in tls.listen_all(places)]


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.skipif(bool(WITHOUT_IPV6), reason=WITHOUT_IPV6)
def test_all_of_ipv6_serves_ipv4_too() -> None:
    with listening(("::", 0)) as (one,):
        port = one.getsockname()[1]
        assert [answers(host, port) for host in ("127.0.0.1", "::1")] == [True, True]
        assert tls.place_of(one) == f"[::]:{port}"


@pytest.mark.skipif(bool(WITHOUT_IPV6), reason=WITHOUT_IPV6)
def test_both_of_one_port_stand_beside_each_other() -> None:
    port = quiet_port()
    with listening(("::", port), ("127.0.0.1", port)) as (six, four):
        assert answers("127.0.0.1", port)
        assert answers("::1", port)
        accepted = [one.accept() for one in (six, four)]
        assert [len(address) for _, address in accepted] == [4, 2]
        for connection, _ in accepted:
            connection.close()


@pytest.mark.skipif(bool(WITHOUT_IPV6), reason=WITHOUT_IPV6)
def test_one_address_is_one_address() -> None:
    with listening(("::1", 0)) as (one,):
        port = one.getsockname()[1]
        assert [answers(host, port) for host in ("127.0.0.1", "::1")] == [False, True]


def test_a_name_and_several_ports() -> None:
    with listening(("localhost", 0), ("127.0.0.1", 0)) as (first, second):
        assert tls.place_of(first) != tls.place_of(second)
        assert answers("127.0.0.1", second.getsockname()[1])


def test_if_one_is_taken_none_is_left_open() -> None:
    port = quiet_port()
    with listening(("127.0.0.1", 0)) as (other,):
        taken = other.getsockname()[1]
        with pytest.raises(OSError, match="in use") as found:
            tls.listen_all([("127.0.0.1", port), ("127.0.0.1", taken)])
        assert found.value.errno == errno.EADDRINUSE
        assert not answers("127.0.0.1", port)


def test_a_name_that_nobody_knows_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"."):
        tls.listen("nowhere.invalid", 0)
