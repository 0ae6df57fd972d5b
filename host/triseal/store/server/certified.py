"""The API for administration on a port with mutual TLS.

The clients have certificates of an authority that the Store's operators choose. A client without
such a certificate gets no further than the handshake. No session is resumed, because a
resumed session would not prove that its certificate is still valid.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from triseal import files, words
from triseal.errors import Failure
from triseal.serving import bounded
from triseal.serving.door import Door
from triseal.store.changes import CERTIFIED, MAX_WHO

_MAX_CLIENTS = 1 << 20  # bytes


class BadAuthority(Failure):
    """The file does not hold the certificates of an authority."""

    code = "bad-admin-clients"
    advice = "Give --admin-clients a PEM file with the certificates of the clients' authority."


class CertifiedHTTP(bounded.DoorHTTP):
    """HTTP over mutual TLS; the client of each request is the name in its certificate."""

    _until = 0.0  # Unix seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection: asyncio calls this after the handshake.

        Args:
            transport: the connection.
        """
        super().connection_made(transport)
        found = transport.get_extra_info("ssl_object").getpeercert()
        name = name_of(found)
        self.client = (name, 0)
        if name:
            self._until = ssl.cert_time_to_seconds(found["notAfter"])
        else:
            self.leave()

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent, while its certificate is valid: asyncio calls this.

        Args:
            data: what it has sent.
        """
        if time.time() <= self._until:
            super().data_received(data)
        else:
            self.leave()


def name_of(certificate: dict[str, Any]) -> str:
    """Return the name in a client's certificate, as decisions are recorded; "" without a good one.

    Args:
        certificate: as `SSLSocket.getpeercert` returns it.
    """
    subject = certificate.get("subject", ())
    names = [text for part in subject for kind, text in part if kind == "commonName"]
    if len(names) != 1:
        return ""
    try:
        words.check_reason(names[0], MAX_WHO - len(CERTIFIED))
    except Failure:
        return ""
    return CERTIFIED + str(names[0])


@dataclass(frozen=True)
class Certified:
    """A port for administration.

    Attributes:
        listener: where they connect.
        context: for the handshake, see `context_of`.
    """

    listener: Door
    context: ssl.SSLContext

    def server(self, made: FastAPI) -> bounded.PagesServer:
        """Make the server.

        Args:
            made: the application.
        """
        http = type("HTTP", (CertifiedHTTP,), {"door": self.listener})
        return bounded.server(made, http, self.context)


def context_of(tls: tuple[Path, Path], clients: Path) -> ssl.SSLContext:
    """Make the context for the handshake.

    Args:
        tls: files of the server's certificate and of its key, PEM.
        clients: file with the certificates of the clients' authority, PEM.

    Raises:
        BadAuthority: `clients` holds no such certificates.
        OSError: a file can't be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=files.read(clients, _MAX_CLIENTS).decode())
    except (ssl.SSLError, ValueError):
        raise BadAuthority(f"{clients} holds no certificate in PEM") from None
    if not context.cert_store_stats()["x509"]:
        raise BadAuthority(f"{clients} holds no certificate in PEM")
    context.load_cert_chain(*tls)
    return context
