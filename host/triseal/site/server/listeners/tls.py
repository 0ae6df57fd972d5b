"""The listener for TLS: it accepts nodes and keeps each of them from slowing down the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Sequence

from sealcore import errors
from triseal.site.server.duties import Duties
from triseal.site.server.limits import Limits
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.listeners.handshakes import Handshakes
from triseal.site.server.listeners.token_enrolment import Newcomers, Redeem
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions import peers
from triseal.site.server.sessions.connection import Ended, code_of
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.sessions.reception import Reception
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.transports import tls_accept
from triseal.site.server.transports.tls_frames import Frames

_log = logging.getLogger(__name__)

_BACKLOG = 1024
_EVERY_IPV6 = "::"
_SEND_BYTES = 65536
_ACCEPT_PAUSES = (0.2, 2.0)  # seconds to wait after the process ran out of file descriptors
# TCP detects within six minutes that a silent node is gone: four probes, 15 s apart, after 300 s.
# Until then the node only counts as connected and uses memory: a node that comes back takes the
# place of its old connection at once, and what is sent to a node that is gone fails by itself.
KEEPALIVE = (("TCP_KEEPIDLE", 300), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Server:
    """The TLS server: it listens, and serves each node that connects.

    Args:
        site: name of the site.
        pipeline: answers the nodes' messages; it must run.
        identity: the server's certificate, already issued.
        limits: the limits of the server.
        metrics: the metrics of the server.
        redeem: enrols boards that have no certificate yet, see `token_enrolment`.
        duties: takes failures of the listener.

    Attributes:
        reception: serves the nodes that have proved who they are.
        registry: the connected nodes.
    """

    def __init__(
        self,
        site: str,
        pipeline: Pipeline,
        identity: Identity,
        limits: Limits,
        metrics: Metrics,
        redeem: Redeem,
        duties: Duties,
    ) -> None:
        self._accepting = duties.add("accepting", *_ACCEPT_PAUSES)
        self._site = site
        self._pipeline = pipeline
        self._identity = identity
        self._following = asyncio.Lock()
        self._limits = limits
        self._metrics = metrics
        self.reception = Reception(pipeline, limits, metrics)
        self.registry = self.reception.registry
        self._newcomers = Newcomers(redeem, limits)
        self._strangers = Handshakes(limits.handshakes, metrics.connecting.set)
        self._serving: set[asyncio.Task[None]] = set()

    async def run(self, *listeners: socket.socket) -> None:
        """Accept connections until cancelled; then end all of them.

        Args:
            listeners: listening sockets in non-blocking mode.
        """
        try:
            async with asyncio.TaskGroup() as accepting:
                for listener in listeners:
                    accepting.create_task(self._accept_all(listener))
        finally:
            for task in self._serving:
                task.cancel()
            if self._serving:
                await asyncio.wait(self._serving, timeout=self._limits.stop_seconds)

    async def _accept_all(self, listener: socket.socket) -> None:
        while True:
            await self._accepting.attempt(lambda: self._accept(listener))
            # A full backlog would be accepted without a pause: let the accepted ones have a turn.
            await self._accepting.rest()

    async def _accept(self, listener: socket.socket) -> None:
        accepted, address = await asyncio.get_running_loop().sock_accept(listener)
        task = self._strangers.begin(address[0], self._serve(accepted, address[0]))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, accepted: socket.socket, address: str) -> None:
        node, code = "", "evicted"
        try:
            _set_up(accepted)
            frames = await self._shake_hands(accepted)
            try:
                tls = frames.transport.get_extra_info("ssl_object")
                if tls.session_reused:
                    raise errors.BadMessage("a TLS session must not be resumed")
                certificate = tls.getpeercert(True)
                if certificate is None:
                    code = await self._newcomers.serve(frames, address)
                else:
                    peer = peers.by_certificate(certificate, self._site)
                    node = peer.node
                    self._strangers.leave(asyncio.current_task())
                    code = await self._converse(frames, peer, address)
            finally:
                frames.close()
        except ssl.SSLError as error:
            code = "tls"
            self.registry.turned_away += 1
            _log.info("no handshake", extra={"address": address, "detail": error.reason})
        except Ended as error:
            code = code_of(error)
        except Exception:  # a defect costs this connection, not the server
            code = "defect"
            _log.exception("defect", extra={"address": address, "node": node})
        finally:
            self._metrics.closed.labels(code).inc()
            _log.info("ended", extra={"address": address, "node": node, "code": code})

    async def _shake_hands(self, accepted: socket.socket) -> Frames:
        await self._follow_keys()
        limits = self._limits
        frames = Frames(limits.frame_seconds, limits.write_seconds, limits.write_bytes)
        context = self._identity.context
        return await tls_accept.accept(accepted, frames, context, limits.handshake_seconds)

    async def _follow_keys(self) -> None:
        """Accept certificates of the site's next key as soon as a node may have one.

        The watch does the same, but a node can connect again before it looks.
        """
        if self._identity.made_with is self._pipeline.authority:
            return
        async with self._following:
            if self._identity.made_with is not self._pipeline.authority:
                # If this fails, the watch tries again, and says why.
                with contextlib.suppress(Exception):
                    await self._pipeline.answer(self._identity.issue)

    async def _converse(self, frames: Frames, peer: Peer, address: str) -> str:
        def greeted() -> None:
            _log.info("connected", extra={"address": address, "node": peer.node})

        return await self.reception.serve(frames, peer, greeted)


def listen(host: str, port: int, *, alone: bool = False) -> socket.socket:
    """Make a listening socket in non-blocking mode.

    Args:
        host: address to listen on, IPv4 or IPv6, or a name. "::" listens on all addresses, IPv4 too
            where the system can do that.
        port: TCP port; 0 lets the kernel choose one.
        alone: whether "::" leaves IPv4 to another socket.

    Raises:
        OSError: the port is taken or the address is not of this computer.
    """
    # Only the resolver gives the number of the network card that a zone names ("fe80::1%eth0").
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    both = host == _EVERY_IPV6 and not alone and socket.has_dualstack_ipv6()
    listener = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    listener.setblocking(False)
    return listener


def listen_all(places: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Make a listening socket for each place, or none if one of them fails.

    Args:
        places: address and port of each; see `listen`. If an IPv4 address has the same port as
            "::", that serves IPv6 alone.

    Raises:
        OSError: as `listen`.
    """
    ipv4 = {port for host, port in places if ":" not in host and port}
    with contextlib.ExitStack() as opened:
        made = [
            opened.enter_context(listen(host, port, alone=port in ipv4)) for host, port in places
        ]
        opened.pop_all()
    return made


def place_of(listener: socket.socket) -> str:
    """Return the address of a listening socket as HOST:PORT, an IPv6 host in brackets.

    Args:
        listener: the socket.
    """
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _set_up(accepted: socket.socket) -> None:
    """Bound what the kernel buffers for a slow node, and let TCP detect a silent one."""
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):  # not on every system
            accepted.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
