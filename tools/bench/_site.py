"""A site in a temporary folder, of the size that a bench needs, and a server process for it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sealcore import seal, sealwriter
from sealcore.compat import sha256
from triseal import bundles, certificate, database
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.package import Package
from triseal.signer import KeySigner, PrivateKey, Signer, generate
from triseal.site import home
from triseal.site.home import Founding
from triseal.site.manager import Manager
from triseal.site.records import tables
from triseal.site.slca.authority import Authority, Issuer, self_signed
from triseal.site.slca.template import SealTemplate

PROGRAM = ("triseal.cli.main",)
_YEAR = 365 * 86400
_METADATA = b'{"capabilities": ["bus.publish:home/#", "log"]}'


class Site:
    """A site with nodes, all of which have all of its services. A context manager.

    Args:
        folder: for its files.
        algorithm: of the site's key.
        database: URL; "" for SQLite in the folder.
        lifetime: of its seals, seconds.
        key: URI of its key on a token; "" for a file.
        pin: of the token, and passphrase of the root.
    """

    def __init__(
        self,
        folder: Path,
        algorithm: str,
        database: str = "",
        lifetime: int = 5000,
        key: str = "",
        pin: bytes = b"",
    ) -> None:
        self.folder = folder
        self.home = folder / "site"
        self.now = int(time.time())
        founding = Founding("house", algorithm, lifetime, database, key)
        home.init(self.home, founding, pin or None, self.now)
        self.manager = Manager(self.home, lambda: pin)
        self._developer = Developer("Ada", KeySigner(generate(algorithm)))
        self._store = KeySigner(generate(algorithm))
        kinds = bundles.kinds_of(["service", "agent", "firmware"])
        self.manager.trust_developer("Ada", self._developer.signer.spki, kinds=kinds)
        validity = Validity(self.now - 90, self.now + _YEAR)
        self.manager.trust_store(certificate.self_signed_ca(self._store, "Store", validity))
        self.nodes: dict[str, tuple[bytes, PrivateKey]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.manager.close()

    def add_service(self, name: str, source: bytes, metadata: bytes = _METADATA) -> None:
        """Sign a service, countersign it and take it in.

        Args:
            name: of the service.
            source: its text.
            metadata: JSON.
        """
        self.manager.add_service(self.package(Release(name, "1.0", 1, metadata), "app.py", source))

    def package(self, release: Release, entry: str, content: bytes) -> Package:
        """Return a package that the developer and the Store have sealed.

        Args:
            release: what the developer says.
            entry: file name of the executable.
            content: the executable.
        """
        validity = Validity(self.now - 80, self.now + _YEAR)
        return self._countersign(sign(self._developer, release, entry, content, validity))

    def add_node(self, name: str, services: list[str], algorithm: str = "p256") -> None:
        """Add a node with a key and a certificate, and assign services to it.

        Args:
            name: of the node.
            services: their names.
            algorithm: of the node's key.
        """
        key = generate(algorithm)
        self.manager.add_node(name)
        der = self.manager.enrol(name, _request(key, name)).der
        for service in services:
            self.manager.assign(name, service)
        self.nodes[name] = der, key

    def add_nodes(self, names: Sequence[str], services: Sequence[str]) -> None:
        """Add many nodes with P-256 keys and all of these services, in one transaction.

        Args:
            names: of the nodes.
            services: names of the services.
        """
        validity = Validity(self.now, self.now + _YEAR)
        rows = []
        for name in names:
            key = generate("p256")
            spki = KeySigner(key).spki
            self.nodes[name] = self.manager.authority.certify_node(name, spki, validity).der, key
            rows.append({"name": name, "spki": spki, "added_at": self.now})
        places = [
            {"node": name, "service": service, "assigned_at": self.now}
            for name in names
            for service in services
        ]
        with database.writing(self.manager.engine) as connection:
            connection.execute(tables.nodes.insert(), rows)
            connection.execute(tables.assignments.insert(), places)

    def context(self, node: str, version: ssl.TLSVersion) -> ssl.SSLContext:
        """Return the side of TLS of `node`, for one `version` only."""
        der, key = self.nodes[node]
        path = self.folder / f"{node}.pem"
        if not path.exists():
            pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
            secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            path.touch(0o600)
            path.write_bytes(pem + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = version
        context.check_hostname = False
        context.load_verify_locations(self.home / home.CERTIFICATE)
        context.load_cert_chain(path)
        return context

    def _countersign(self, package: Package) -> Package:
        developer = seal.parse(package.developer_seal, seal.DEVELOPER)
        value = sealwriter.service_seal(developer.core, sha256(package.developer_seal))
        der = certificate.issue(
            self._store,
            sealwriter.name("Store"),
            bytes(developer.subject),
            bytes(developer.spki),
            Validity(self.now - 60, self.now + _YEAR),
            certificate.new_serial(),
            certificate.code_seal_extensions(self._store.spki, value),
        )
        return Package(
            package.name, package.executable, package.metadata, package.developer_seal, der
        )

    @staticmethod
    def one_template(signer: Signer) -> tuple[Authority, SealTemplate]:
        """Return an authority over a key, and the common part of the seals of one of its services.

        Args:
            signer: of the key.
        """
        now = int(time.time())
        issuer = Issuer(self_signed(signer, "house", now), "house")
        core = sealwriter.core(bytes(32), 20480, bytes(32), "1.0", 1)
        value = sealwriter.service_seal(core, bytes(32))
        store = seal.parse(
            certificate.issue(
                signer,
                sealwriter.name("Store"),
                sealwriter.name("thermo"),
                signer.spki,
                Validity(now, now + _YEAR),
                certificate.new_serial(),
                certificate.code_seal_extensions(signer.spki, value),
            ),
            seal.STORE,
        )
        node = KeySigner(generate("p256")).spki
        grants = ("bus.publish:home/kitchen/#", "log")
        return Authority(signer, issuer), issuer.prepare("kitchen", node, store, bytes(32), grants)


@dataclass(frozen=True)
class Ports:
    """The ports of a server process: for nodes, and for its pages."""

    nodes: int
    pages: int


@contextmanager
def server(site_home: Path, log: Path, *options: str, port: int = 0) -> Iterator[tuple[Ports, int]]:
    """Run a server process while the block runs; yields its ports and its process id.

    Args:
        site_home: the site's folder.
        log: file to which its log is appended.
        options: of `triseal site serve`.
        port: for nodes; 0: any.
    """
    process = start_server(site_home, log, *options, port=port)
    try:
        yield ready(process), process.pid
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def start_server(
    site_home: Path, log: Path, *options: str, port: int = 0, program: Sequence[str] = PROGRAM
) -> subprocess.Popen[bytes]:
    """Start a server process; `ready` waits for it.

    Args:
        site_home: the site's folder.
        log: file to which its log is appended.
        options: of `triseal site serve`.
        port: for nodes; 0: any.
        program: the module that is run, and the arguments before those of `triseal`.
    """
    command = [sys.executable, "-m", *program, "site", "serve", "--home", str(site_home)]
    where = ["--listen", f"127.0.0.1:{port}", "--pages", "0", *options]
    path = os.pathsep.join(part for part in sys.path if part)
    with log.open("ab") as errors:
        return subprocess.Popen(
            [*command, *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": path},
        )


def run(*arguments: str) -> None:
    """Run a command of `triseal site` as a process of its own.

    Args:
        arguments: of the command.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    path = os.pathsep.join(part for part in sys.path if part)
    subprocess.run(
        [sys.executable, "-m", *PROGRAM, "site", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


def ready(process: subprocess.Popen[bytes]) -> Ports:
    """Wait until nodes can connect to `process`.

    Raises:
        RuntimeError: it ended before.
    """
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise RuntimeError(f"the server ended with status {process.wait()}; see its log")
    found = json.loads(line)
    return Ports(found["port"], found["pages"])


def _request(key: PrivateKey, name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
