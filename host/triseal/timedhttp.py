"""HTTP calls that end at a certain time, whatever the other side does.

The timeouts of httpx are for one step, such as the next bytes. A server that sends a byte now and
then, or answers like `103 Early Hints` without an end, could hold a client for ever.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

from triseal.stop import Stop


class _Deadline:
    """The time by which a call must have ended.

    Args:
        seconds: how long a call may last.
        end: when the last one must have ended.
        stop: ends it earlier.
    """

    def __init__(self, seconds: float, end: float, stop: Stop) -> None:
        self._seconds = seconds
        self.stop = stop
        self._last = end
        self._allowed = end - time.monotonic()  # for all calls
        self._end = 0.0

    def begin(self) -> None:
        self._end = min(time.monotonic() + self._seconds, self._last)

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """Return the seconds that the next step may last; raises `late` if none are left."""
        if self.stop.over:
            raise late("stopped")
        left = self._end - time.monotonic()
        if left <= 0:
            raise late(f"not complete in {min(self._seconds, self._allowed):.3g} s")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(
        self, stream: httpcore.NetworkStream, deadline: _Deadline, handle: socket.socket
    ) -> None:
        self._stream = stream
        self._deadline = deadline
        self._handle = handle

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline.left(timeout, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # The stream of httpcore has a new timeout for each part of the buffer that was taken.
        sock = self._stream.get_extra_info("socket")
        rest = memoryview(buffer)
        while rest:
            sock.settimeout(self._deadline.left(timeout, httpcore.WriteTimeout))
            rest = rest[_sent(sock.send, rest) :]

    def close(self) -> None:
        self._deadline.stop.remove(self._handle)
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            made = self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            self.close()
            raise
        return _Stream(made, self._deadline, self._handle)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _sent(send: Callable[[memoryview], int], data: memoryview) -> int:
    try:
        return send(data)
    except TimeoutError as error:
        raise httpcore.WriteTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.WriteError(str(error)) from error


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            try:
                made = super().connect_tcp(address, port, left, local_address, socket_options)
                handle = self._deadline.stop.add(made.get_extra_info("socket"))
                return _Stream(made, self._deadline, handle)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


def _addresses(host: str, port: int) -> list[str]:
    """Look up the addresses of a host. Else each of them would have the whole time that is left."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in found]


class Transport(httpx.HTTPTransport):
    """The connections of one client, which makes one call at a time.

    Args:
        context: how the server is checked.
        seconds: how long a call may last, from the connection to the last byte of the answer.
        end: by when all calls must have ended, as `time.monotonic` says it.
        stop: ends them earlier.
    """

    def __init__(self, context: ssl.SSLContext, seconds: float, end: float, stop: Stop) -> None:
        super().__init__(verify=context, trust_env=False)
        self._deadline = _Deadline(seconds, end, stop)
        # httpx has no argument for a backend.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=_Backend(self._deadline)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make one call, whose time begins now.

        Args:
            request: the call.

        Raises:
            httpx.TimeoutException: it did not end in time; reading the answer raises it as well.
        """
        self._deadline.begin()
        return super().handle_request(request)
