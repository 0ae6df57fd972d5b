"""The node's side of the link, as cheap as possible, because the server is measured."""

from __future__ import annotations

import secrets
import socket
import ssl
import time

from sealcore import messages

_SECONDS = 120.0
_SERIAL_HEAD = 2  # tag and length


class Client:
    """A connected node.

    Args:
        port: of the server, on the loopback address.
        context: its side of TLS.
        node: its name.
        held: serials by service, as it tells the site.

    Attributes:
        serials: of the seals that it holds, by service.
        seal_size: size of the last whole seal in bytes.
    """

    def __init__(
        self, port: int, context: ssl.SSLContext, node: str, held: dict[str, bytes] | None = None
    ) -> None:
        self.serials = dict(held or {})
        self.seal_size = 0
        self._data = b""
        raw = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(raw)
        told = [(service, serial, 2) for service, serial in self.serials.items()]
        nonce = secrets.token_bytes(16)
        said = messages.PROTOCOL, node, nonce, 0, bytes(16), 0, "", told
        self.send(messages.write(messages.HELLO, *said))
        kind, _ = messages.parse(self.read())
        if kind != messages.WELCOME:
            raise RuntimeError(f"message {kind} instead of WELCOME")

    def take_seals(self, count: int) -> None:
        """Read `count` ASSIGN messages."""
        for _ in range(count):
            kind, values = messages.parse(self.read())
            if kind != messages.ASSIGN:
                raise RuntimeError(f"message {kind} instead of ASSIGN")
            service, seal, _files = values
            self.seal_size = len(seal)
            self.serials[service] = _serial_of(seal)

    def ask(self, *services: str) -> None:
        """Send one RENEW for these services."""
        held = [(service, self.serials[service]) for service in services]
        self.send(messages.write(messages.RENEW, int(time.time()), held))

    def renewed(self, service: str) -> None:
        """Read RENEWED for one `service`.

        It looks only for the serial number, by its place; the tests check the rest of the answer.
        """
        message = self.read()
        if message[0] != 0xA0 | messages.RENEWED:
            raise RuntimeError(f"{messages.parse(message)} instead of RENEWED")
        at = message.index(service.encode()) + len(service) + _SERIAL_HEAD
        self.serials[service] = message[at : at + 16]

    def all_renewed(self, count: int) -> None:
        """Read the RENEWED of `count` services."""
        while count > 0:
            kind, values = messages.parse(self.read())
            if kind != messages.RENEWED:
                raise RuntimeError(f"{kind} {values} instead of RENEWED")
            for service, serial, _signature in values[2]:
                self.serials[service] = serial
                count -= 1

    def send(self, message: bytes) -> None:
        """Send one frame with `message`."""
        self.tls.sendall(messages.frame(message))

    def read(self) -> bytes:
        """Return the message of the next frame."""
        data = self._data
        while len(data) < 4 or len(data) < 4 + messages.frame_size(data[:4]):
            part = self.tls.recv(2 * messages.MAX_FRAME)
            if not part:
                raise EOFError("the server has closed")
            data += part
        size = 4 + messages.frame_size(data[:4])
        self._data = data[size:]
        return data[4:size]

    def close(self) -> None:
        """Close the connection."""
        self.tls.close()


def _serial_of(seal: bytes) -> bytes:
    """Header of the certificate, of its signed part, and the version come before."""
    return seal[4 + 4 + 5 + 2 :][:16]
