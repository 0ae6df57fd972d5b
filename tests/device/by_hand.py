"""The site's side of one node's link over real TLS, which says whatever a test wants."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sealcore import messages
from tests.device.conftest import Start
from tests.device.node import PATIENCE, Node
from tests.device.site import Site
from triseal import signer
from triseal.signer import KeySigner

KEY = signer.generate("p256")
SPKI = KeySigner(KEY).spki  # of whoever serves


class ByHand:
    """A connection of a node."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self._tls = tls

    def send(self, kind: int, *values: Any) -> None:
        self._tls.sendall(messages.frame(messages.write(kind, *values)))

    def read(self) -> tuple[int, tuple[Any, ...]]:
        """The next message; raises EOFError when the node has left."""
        kind, values = messages.parse(self._exactly(messages.frame_size(self._exactly(4))))
        return kind, values

    def welcome(self, site: Site, bundle: bytes = b"") -> None:
        """Hear HELLO, and tell the time that it asks for."""
        kind, values = self.read()
        assert kind == messages.HELLO
        self.send(messages.WELCOME, site.time(values[2]), bundle)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self._tls.recv(size - len(data))
            except (ConnectionError, ssl.SSLError):
                part = b""
            if not part:
                raise EOFError
            data += part
        return data


@contextmanager
def connected(start: Start, directory: Path, der: bytes) -> Iterator[tuple[Node, ByHand]]:
    """A node that has come to a server with this certificate, for KEY."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        settings = {"server": ["127.0.0.1", listener.getsockname()[1]], "spread": 1}
        (directory / "flash/triseal/settings.json").write_text(json.dumps(settings))
        node = start()
        plain, _ = listener.accept()
        plain.settimeout(PATIENCE)
        with _context(der, directory).wrap_socket(plain, server_side=True) as tls:
            yield node, ByHand(tls)


def _context(der: bytes, directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = directory / "server.pem"
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    path.write_bytes(pem + KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context.load_cert_chain(path)
    return context
