"""A whole site in memory: every key and seal that a node could be given, right or wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sealcore import encode, identity, limits, seal, sealwriter, signedtime
from tests.device.on_board.moment import NOW
from triseal import bundles, certificate, signer

YEAR = 365 * 86400
STORE, SLCA, DEVELOPER = (sealwriter.name(text) for text in ("The Store", "home SLCA", "Ada"))


@dataclass(frozen=True)
class Deployment:
    """The files of a service as they go onto a node.

    Attributes:
        name: of the service.
        files: by name.
    """

    name: str
    files: dict[str, bytes]

    def with_file(self, name: str, data: bytes) -> Deployment:
        """The same with one file changed."""
        return Deployment(self.name, {**self.files, name: data})


def _key() -> signer.KeySigner:
    return signer.KeySigner(signer.generate("rsa2048"))


@dataclass
class Site:
    """Developer, Store and site of one name; times are Unix seconds.

    Attributes:
        name: of the site.
        now: what it believes the time to be.
        version: of the trust bundle that it gives out.
        roots, signers: of this bundle, if not `root` alone.
        others: more developers in it.
        keys: the site's keys in it, if not `authority` alone.
        kinds: what its developers may sign.
    """

    name: str = "home"
    now: int = NOW
    version: int = 1
    developer: signer.KeySigner = field(default_factory=_key)
    store: signer.KeySigner = field(default_factory=_key)
    authority: signer.KeySigner = field(default_factory=_key)
    root: signer.KeySigner = field(default_factory=_key)
    roots: bundles.Roots | None = None
    signers: list[signer.KeySigner] = field(default_factory=list)
    others: list[bundles.Entry] = field(default_factory=list)
    keys: list[signer.KeySigner] = field(default_factory=list)
    kinds: int = limits.SERVICE

    def bundle(self) -> bytes:
        """The trust bundle, signed."""
        tbs = sealwriter.bundle_tbs(
            self.version,
            self.name,
            self.now - 3600,
            self.roots or bundles.one_root(self.root),
            [(SLCA, key.spki) for key in self.keys or [self.authority]],
            [(STORE, self.store.spki)],
            bundles.listed([*self.others, (DEVELOPER, self.developer.spki)], self.kinds),
        )
        return bundles.signed(tbs, *(self.signers or [self.root]))

    def time(self, nonce: bytes, now: int | None = None) -> bytes:
        """Signed time for a nonce."""
        return self._signed(signedtime.tbs(self.name, nonce, self.now if now is None else now))

    def node(self, name: str, spki: bytes, begin: int | None = None) -> bytes:
        """A node's certificate."""
        start = self.now - 600 if begin is None else begin
        extensions = certificate.identity_extensions(
            self.authority.spki, identity.node(self.name, name)
        )
        return self._issue(name, spki, start, start + YEAR, extensions)

    def slsm(self, spki: bytes) -> bytes:
        """The manager's own TLS certificate."""
        extensions = certificate.identity_extensions(self.authority.spki, identity.slsm(self.name))
        return self._issue("slsm", spki, self.now - 60, self.now + 3600, extensions)

    def enrol(
        self, request: bytes, node: str = "", settings: Mapping[str, object] | None = None
    ) -> dict[str, bytes]:
        """What a site answers to a request: the files for /triseal/incoming."""
        csr = x509.load_der_x509_csr(request)
        assert csr.is_signature_valid
        spki = csr.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        asked = str(csr.subject.rdns[0].rfc4514_string()).removeprefix("CN=")
        return {
            "node.crt": self.node(node or asked, spki),
            "bundle.der": self.bundle(),
            "settings.json": json.dumps({"node": asked, **(settings or {})}).encode(),
        }

    def deploy(
        self,
        service: str,
        executable: bytes,
        node: str,
        spki: bytes,
        *,
        entry: str = "app.py",
        grants: tuple[str, ...] = (),
        version: str = "1.0.0",
        security: int = 1,
        life: tuple[int, int] = (-100, 4900),
        needs: Mapping[str, object] | None = None,
        kind: str = "service",
    ) -> Deployment:
        """A deployment whose seals are all right; `life` is relative to `now`, and `needs` are
        more keys of the metadata. What has failed stays so, unless `needs` says otherwise. The
        site's seal says that it is of this `kind`."""
        known = {"name": service, "entry": entry, "restart": "never"}
        said = {**known, **(needs or {})}
        metadata = json.dumps(said, separators=(",", ":")).encode()  # as `triseal.metadata` does
        core = sealwriter.core(
            hashlib.sha256(executable).digest(),
            len(executable),
            hashlib.sha256(metadata).digest(),
            version,
            security,
        )
        developer = self._code_seal(self.developer, DEVELOPER, service, core, b"")
        store = self._code_seal(self.store, STORE, service, core, developer)
        files = {
            entry: executable,
            "metadata.json": metadata,
            "developer.der": developer,
            "store.der": store,
        }
        made = Deployment(service, files)
        sealed = self.reseal(made, node, spki, grants=grants, life=life, kind=kind)
        return made.with_file("site.der", sealed)

    def reseal(
        self,
        deployment: Deployment,
        node: str,
        spki: bytes,
        *,
        grants: tuple[str, ...] = (),
        life: tuple[int, int] = (-100, 4900),
        of: Deployment | None = None,
        kind: str = "service",
    ) -> bytes:
        """A new site seal for what the Store has sealed; or that says so, and is of another one."""
        service, store = deployment.name, deployment.files["store.der"]
        core = bytes(seal.parse((of or deployment).files["store.der"], seal.STORE).core)
        sealed = sealwriter.service_seal(core, hashlib.sha256(store).digest(), grants)
        extensions = certificate.site_seal_extensions(
            self.authority.spki, sealed, identity.service(self.name, node, service, kind)
        )
        begin, end = self.now + life[0], self.now + life[1]
        return self._issue(service, spki, begin, end, extensions)

    def _code_seal(
        self, by: signer.KeySigner, issuer: bytes, service: str, core: bytes, before: bytes
    ) -> bytes:
        predecessor = hashlib.sha256(before).digest() if before else b""
        return certificate.issue(
            by,
            issuer,
            sealwriter.name(service),
            self.developer.spki,
            certificate.Validity(self.now - YEAR, self.now + YEAR),
            certificate.new_serial(),
            certificate.code_seal_extensions(by.spki, sealwriter.service_seal(core, predecessor)),
        )

    def _issue(
        self, subject: str, spki: bytes, begin: int, end: int, extensions: list[bytes]
    ) -> bytes:
        return certificate.issue(
            self.authority,
            SLCA,
            sealwriter.name(subject),
            spki,
            certificate.Validity(begin, end),
            certificate.new_serial(),
            extensions,
        )

    def _signed(self, tbs: bytes) -> bytes:
        return encode.sequence(tbs, self.authority.algorithm, encode.bits(self.authority.sign(tbs)))
