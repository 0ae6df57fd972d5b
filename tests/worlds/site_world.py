"""A developer, a Store and a site in folders of a test, small enough to make anew each time."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography import x509 as cx509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sealcore import bundle, custody, seal, sealwriter
from sealcore.compat import sha256
from triseal import certificate, signer
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.package import Package
from triseal.signer import KeySigner, PrivateKey
from triseal.site import home
from triseal.site.deployment import Deployment
from triseal.site.home import Founding
from triseal.site.manager import Manager
from triseal.site.rules.guarantee import Guarantee

NOW = 1795000000
YEAR = 365 * 86400
SOURCE = b"async def main(ctx):\n    ctx.log('hello')\n"
CAPABILITIES = b'{"capabilities": ["bus.publish:home/#", "pin:4", "log"]}'
PASSPHRASE = b"correct horse"


@dataclass
class Store:
    """A Store reduced to its key: what it signs is up to the test, the wrong thing too.

    Attributes:
        began: since when what it signs is valid, Unix seconds.
    """

    name: str
    signer: KeySigner
    certificate: bytes
    began: int

    def countersign(self, package: Package, core: bytes | None = None) -> Package:
        """The package with a Store seal, over its developer seal's content or `core`."""
        developer = seal.parse(package.developer_seal, seal.DEVELOPER)
        service_seal = sealwriter.service_seal(
            core or bytes(developer.core), sha256(package.developer_seal)
        )
        der = certificate.issue(
            self.signer,
            sealwriter.name(self.name),
            bytes(developer.subject),
            bytes(developer.spki),
            Validity(self.began - 60, self.began + YEAR),
            certificate.new_serial(),
            certificate.code_seal_extensions(self.signer.spki, service_seal),
        )
        return Package(
            package.name, package.executable, package.metadata, package.developer_seal, der
        )


def ends(found: Guarantee) -> dict[str, int]:
    """When the last old seals of the nodes end that still wait, without what is for their clocks:
    see `test_nodeclock`."""
    return {node: until - found.clocks[node] for node, until in found.waiting.items()}


def make_store(name: str = "Store", algorithm: str = "p256", began: int = NOW) -> Store:
    key = KeySigner(signer.generate(algorithm))
    validity = Validity(began - 90, began + YEAR)
    return Store(name, key, certificate.self_signed_ca(key, name, validity), began)


def make_developer(name: str = "Ada", algorithm: str = "p256") -> Developer:
    return Developer(name, KeySigner(signer.generate(algorithm)))


def signed_package(
    developer: Developer,
    service: str = "thermo",
    version: str = "1.0",
    security_version: int = 1,
    executable: bytes = SOURCE,
    metadata: bytes = CAPABILITIES,
    began: int = NOW,
) -> Package:
    """A package with the developer seal alone."""
    release = Release(service, version, security_version, metadata)
    return sign(developer, release, "app.py", executable, Validity(began - 100, began + YEAR))


def make_request(key: PrivateKey, name: str) -> bytes:
    """A node's PKCS #10 request, DER."""
    subject = cx509.Name([cx509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = cx509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass
class Founded:
    """A site with which tests begin: to copy it takes a tenth of the time.

    Attributes:
        now: when it was founded, but for its age.
        in_use: whether a copy of it is open.
    """

    folder: Path
    now: int
    store: Store
    developer: Developer
    node_keys: dict[str, PrivateKey] = field(default_factory=dict)
    in_use: bool = False


def _no_more(_: World) -> None:
    """A site that was founded, and nothing else."""


_founded: dict[tuple[str, str, int, Callable[[World], object]], list[Founded]] = {}
_EARLIER = 60
_ANYBODY = make_developer()


@dataclass
class World:
    """A site that trusts one Store and one developer, at a time that only the test moves.

    A context manager: whoever makes one closes it.

    Attributes:
        age: seconds for which the site exists, and for which its Store has been signing.
        begin: what happens before the test begins. It happens once for all tests that name it.
    """

    folder: Path
    algorithm: str = "p256"
    now: int = NOW
    database: str = ""
    name: str = "house"
    age: int = 0
    developer: Developer = _ANYBODY
    node_keys: dict[str, PrivateKey] = field(default_factory=dict)
    begin: Callable[[World], object] = _no_more

    def __post_init__(self) -> None:
        self._copied: Founded | None = None
        if self.database or self.developer is not _ANYBODY:
            if self.developer is _ANYBODY:
                self.developer = make_developer()
            self.store = self._found()
        else:
            self._copied = self._copy()
            self.store, self.developer = self._copied.store, self._copied.developer
            self.node_keys = dict(self._copied.node_keys)
        self.manager = self.open()

    def _copy(self) -> Founded:
        """Copy a site that an earlier test has begun with, or found one to be copied."""
        kind = (self.algorithm, self.name, self.age, self.begin)
        # A site that exists for a while may have been founded some seconds earlier.
        since = self.now - (_EARLIER if self.age else 0)
        for made in _founded.setdefault(kind, []):
            # No two sites at a time have the same keys.
            if not made.in_use and since <= made.now <= self.now:
                break
        else:
            folder = Path(tempfile.mkdtemp(prefix="triseal-world-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            first = World(
                folder / "site", self.algorithm, self.now, "", self.name, self.age, make_developer()
            )
            with closing(first.manager):
                self.begin(first)
            made = Founded(first.folder, self.now, first.store, first.developer, first.node_keys)
            _founded[kind].append(made)
        made.in_use = True
        shutil.copytree(made.folder, self.folder, dirs_exist_ok=True)
        return made

    def _found(self) -> Store:
        """Found the site, which trusts a Store and the developer."""
        store = make_store(began=self.now - self.age)
        founding = Founding(self.name, self.algorithm, database=self.database)
        home.init(self.folder, founding, None, self.now - self.age)
        with self.open() as manager:
            manager.trust_store(store.certificate)
            manager.trust_developer(self.developer.name, self.developer.signer.spki)
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.manager.close()
        if self._copied:
            self._copied.in_use = False

    def open(self) -> Manager:
        """The site as another process would open it."""
        return Manager(self.folder, lambda: PASSPHRASE, lambda: self.now)

    def add_node(self, name: str, algorithm: str = "p256") -> bytes:
        """A node that is enrolled; returns its key, SubjectPublicKeyInfo."""
        key = signer.generate(algorithm)
        self.node_keys[name] = key
        self.manager.add_node(name)
        self.manager.enrol(name, make_request(key, name))
        return KeySigner(key).spki

    def package(self, service: str = "thermo", **fields: Any) -> Package:
        """A package as the Store gives it out."""
        return self.store.countersign(self.signed(service, **fields))

    def signed(self, service: str = "thermo", **fields: Any) -> Package:
        """A package with the developer seal alone."""
        return signed_package(self.developer, service, began=self.store.began, **fields)

    def check(self, deployment: Deployment, node: str | None = None, now: int | None = None) -> Any:
        """What the node does with a deployment: all ten steps; a seal.Brief."""
        name = node or deployment.place.node
        return custody.verify(
            deployment.package.opened(),
            deployment.seal.der,
            bundle.parse(self.manager.bundle().der),
            name,
            deployment.place.service,
            KeySigner(self.node_keys[name]).spki,
            self.now if now is None else now,
        )


def code_of(call: Callable[[], object]) -> str:
    """The code of what a call raises; "" if it raises nothing."""
    try:
        call()
    except Exception as error:
        return str(getattr(error, "code", repr(error)))
    return ""
