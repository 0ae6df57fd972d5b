"""The site's side of one node's link over real TLS, which says whatever a test wants."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sealcore import messages
from sealcore.compat import sha256
from tests.device.conftest import Start
from tests.device.node import PATIENCE, Node
from tests.device.site import Deployment, Site
from triseal import signer
from triseal.signer import KeySigner

KEY = signer.generate("p256")
SPKI = KeySigner(KEY).spki  # of whoever serves


class ByHand:
    """The connections of a node, one after the other.

    Args:
        listener: where it comes.
        context: of the server.
    """

    def __init__(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        self._listener = listener
        self._context = context
        self._accept()

    def _accept(self) -> None:
        plain, _ = self._listener.accept()
        plain.settimeout(PATIENCE)
        self._tls = self._context.wrap_socket(plain, server_side=True)

    def close(self) -> None:
        """Hang up."""
        self._tls.close()

    def again(self) -> None:
        """Hang up, and wait until the node comes again."""
        self.close()
        self._accept()

    def send(self, kind: int, *values: Any) -> None:
        self._tls.sendall(messages.frame(messages.write(kind, *values)))

    def read(self) -> tuple[int, tuple[Any, ...]]:
        """The next message but FACTS, which each node says of itself once; raises EOFError when the
        node has left."""
        kind = messages.FACTS
        while kind == messages.FACTS:
            kind, values = messages.parse(self._exactly(messages.frame_size(self._exactly(4))))
        return kind, values

    def welcome(self, site: Site, bundle: bytes = b"") -> None:
        """Hear HELLO, and tell the time that it asks for."""
        kind, values = self.read()
        assert kind == messages.HELLO
        self.send(messages.WELCOME, site.time(values[2]), bundle)

    def assign(self, one: Deployment) -> None:
        """A whole seal, with the files of its service."""
        self.send(messages.ASSIGN, one.name, one.files["site.der"], listed(one.files))

    def give(self, fetch: tuple[Any, ...], *made: Deployment) -> None:
        """Answer a FETCH with what it asks for."""
        digest, offset, length = fetch
        contents = {sha256(data): data for one in made for data in one.files.values()}
        self.send(messages.CHUNK, digest, offset, contents[digest][offset : offset + length])

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
def connected(
    start: Start, directory: Path, der: bytes, *held: Deployment
) -> Iterator[tuple[Node, ByHand]]:
    """A node, with these services, that has come to a server with this certificate, for KEY."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        settings = {"server": ["127.0.0.1", listener.getsockname()[1]], "spread": 1}
        (directory / "flash/triseal/settings.json").write_text(json.dumps(settings))
        node = start(*held)
        link = ByHand(listener, _context(der, directory))
        try:
            yield node, link
        finally:
            link.close()


def listed(files: Mapping[str, bytes]) -> list[tuple[str, int, bytes]]:
    """The files of a service as ASSIGN lists them."""
    return [(name, len(data), sha256(data)) for name, data in files.items() if name != "site.der"]


def _context(der: bytes, directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = directory / "server.pem"
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    path.write_bytes(pem + KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context.load_cert_chain(path)
    return context
