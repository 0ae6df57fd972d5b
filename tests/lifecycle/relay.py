"""The network between nodes and their site: one relay for each node, which can be cut."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

_BLOCK = 65536


class Network:
    """Relays TCP connections, each node's through a port of its own, and counts.

    A context manager; runs in a thread.

    Args:
        nodes: their names.
        target: port of the server, on the loopback address.

    Attributes:
        ports: to which each node connects.
        bytes: passed on in each second, by Unix time.
    """

    def __init__(self, nodes: list[str], target: int) -> None:
        self.ports: dict[str, int] = {}
        self.wire_bytes: Counter[int] = Counter()
        self._nodes = nodes
        self._target = target
        self._cut: set[str] = set()
        self._running: dict[str, set[asyncio.Task[None]]] = {node: set() for node in nodes}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, node: str) -> None:
        """Nothing passes any more; both ends see nothing but silence."""
        self._cut.add(node)

    def mend(self, node: str, *, drop: bool) -> None:
        """The network is back; `drop`: but connections from before are gone."""
        if drop:
            self._loop.call_soon_threadsafe(self._drop, node)
        self._cut.discard(node)

    def _drop(self, node: str) -> None:
        for task in self._running[node]:
            task.cancel()

    async def _listen(self) -> None:
        self._listeners = []
        for node in self._nodes:
            server = await asyncio.start_server(self._handler(node), "127.0.0.1", 0)
            self.ports[node] = server.sockets[0].getsockname()[1]
            self._listeners.append(server)

    async def _close(self) -> None:
        for server in self._listeners:
            server.close()
        tasks = [task for running in self._running.values() for task in running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _handler(self, node: str):  # type: ignore[no-untyped-def] # asyncio's own type is longer
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None:
                return
            self._running[node].add(task)
            try:
                await self._relay(node, reader, writer)
            except (OSError, asyncio.CancelledError):
                return  # whoever is left learns it from the closed connection
            finally:
                self._running[node].discard(task)
                writer.transport.abort()

        return handle

    async def _relay(
        self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._passable(node)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ways = [
            asyncio.create_task(self._pump(node, reader, far_writer)),
            asyncio.create_task(self._pump(node, far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            far_writer.transport.abort()

    async def _passable(self, node: str) -> None:
        while node in self._cut:  # noqa: ASYNC110 - cut and mended by another thread
            await asyncio.sleep(0.1)

    async def _pump(
        self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(_BLOCK):
                await self._passable(node)
                self.wire_bytes[int(time.time())] += len(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            return
