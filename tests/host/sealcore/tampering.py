"""Three honest seals, taken apart into their fields, and put together again with some changed.

The honest ones are made by `triseal.certificate`. What is put together is signed by whoever is told
to: so an attacker changes all that its key can sign, and nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sealcore import (
    bundle,
    custody,
    der,
    encode,
    errors,
    identity,
    limits,
    seal,
    sealwriter,
    upstream,
)
from sealcore.compat import sha256
from triseal import bundles, certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner, generate

NOW = 1_795_363_200
BEGIN, END = NOW - 100, NOW + 4900
LONG = Validity(NOW - 1_000_000, NOW + 100_000_000)
FLOOR = 3
SITE, NODE, SERVICE = "home", "kitchen-1", "thermo"
EXECUTABLE = b"async def main(ctx):\n    pass\n" * 20
METADATA = b'{"entry":"app.py"}'
GRANTS = ("bus.publish:home/kitchen/#", "log")
ACCEPTED = "-"

DEVELOPER, STORE, SITE_SEAL = seal.DEVELOPER, seal.STORE, seal.SITE

FRAME = ("version", "serial", "inner", "issuer", "validity", "subject", "spki")
EXTENSIONS = {
    bytes.fromhex("551d0f"): "keyUsage",
    bytes.fromhex("551d25"): "extKeyUsage",
    bytes.fromhex("551d13"): "basicConstraints",
    bytes.fromhex("551d23"): "authorityKeyIdentifier",
    bytes.fromhex("551d11"): "subjectAltName",
    bytes.fromhex("551d38"): "noRevAvail",
}
CONTENT = (
    "seal version",
    "executableHash",
    "executableSize",
    "metadataHash",
    "serviceVersion",
    "securityVersion",
    "predecessor",
    "grants",
)

# Fields of a seal by name, each as DER: of the frame as they stand, the extensions whole, what is
# inside ServiceSeal, and "outer", the algorithm outside.
Fields = dict[str, bytes]
Change = Callable[[Fields], Fields]


def take_apart(made: bytes) -> Fields:
    """The fields of a seal, in their order."""
    outer = der.single(made)
    tbs = der.single(outer.element())
    fields = {name: bytes(tbs.element()) for name in FRAME}
    extensions = tbs.enter(0xA3).enter()
    while extensions.peek() >= 0:
        whole = bytes(extensions.element())
        item = der.single(whole)
        kind = bytes(item.value(0x06))
        if kind == limits.SERVICE_SEAL:
            content = der.single(item.value(0x04))
            for name in CONTENT:
                if content.peek() >= 0:
                    fields[name] = bytes(content.element())
        else:
            fields[EXTENSIONS[kind]] = whole
    fields["outer"] = bytes(outer.element())
    return fields


def put_together(fields: Fields, signer: KeySigner) -> bytes:
    """A seal of these fields; a name that no seal has is one more extension."""
    inside = (*FRAME, *CONTENT, "outer")
    extensions = [value for name, value in fields.items() if name not in inside]
    content = encode.sequence(*[fields[name] for name in CONTENT if name in fields])
    extensions.append(certificate.extension(limits.SERVICE_SEAL, content))
    tbs = encode.sequence(
        *[fields[name] for name in FRAME], encode.explicit(3, encode.sequence(*extensions))
    )
    return bytes(encode.sequence(tbs, fields["outer"], encode.bits(signer.sign(tbs))))


@dataclass
class World:
    """Who there is. The attacker Eve has a key of her own, and Bob is another honest developer.

    Attributes:
        algorithms: of developer, Store and site.
    """

    algorithms: tuple[str, str, str]
    signers: tuple[KeySigner, KeySigner, KeySigner] = field(init=False)

    def __post_init__(self) -> None:
        developer, store, site = (KeySigner(generate(name)) for name in self.algorithms)
        self.signers = developer, store, site
        self.eve, self.bob, self.node = (KeySigner(generate("p256")) for _ in range(3))
        self.entries = (
            [(sealwriter.name("Ada"), developer.spki), (sealwriter.name("Bob"), self.bob.spki)],
            [(sealwriter.name("Shop"), store.spki)],
            [(sealwriter.name("home CA"), site.spki)],
        )
        keys = tuple(reversed(self.entries))
        self.trust = bundle.parse(bundles.simple(site, 1, SITE, NOW, keys))
        self.honest = self.deployment()

    def core(self, executable: bytes = EXECUTABLE, security: int = FLOOR) -> bytes:
        """What all three seals say."""
        hashes = sha256(executable), len(executable), sha256(METADATA)
        return bytes(sealwriter.core(*hashes, "1.0.0", security))

    def deployment(
        self,
        core: bytes = b"",
        service: str = SERVICE,
        node: str = NODE,
        executable: bytes = EXECUTABLE,
    ) -> Deployment:
        """What honest parties make."""
        content = core or self.core(executable)
        developer, store, site = self.signers
        ada, shop, home = (sealwriter.name(text) for text in ("Ada", "Shop", "home CA"))
        subject = sealwriter.name(service)

        def issue(
            by: KeySigner, issuer: bytes, spki: bytes, validity: Validity, extensions: list[bytes]
        ) -> bytes:
            serial = certificate.new_serial()
            return certificate.issue(by, issuer, subject, spki, validity, serial, extensions)

        value = sealwriter.service_seal(content)
        listed = certificate.code_seal_extensions(developer.spki, value)
        first = issue(developer, ada, developer.spki, LONG, listed)
        value = sealwriter.service_seal(content, sha256(first))
        listed = certificate.code_seal_extensions(store.spki, value)
        second = issue(store, shop, developer.spki, LONG, listed)
        value = sealwriter.service_seal(content, sha256(second), GRANTS)
        uri = identity.service(SITE, node, service)
        listed = certificate.site_seal_extensions(site.spki, value, uri)
        third = issue(site, home, self.node.spki, Validity(BEGIN, END), listed)
        return Deployment((first, second, third), executable, METADATA)

    def change(self, role: int, change: Change, by: KeySigner | None = None) -> Deployment:
        """The honest deployment with fields of one seal changed.

        Args:
            role: of the seal.
            change: of its fields.
            by: who signs it again; None: nobody, the old signature stays.
        """
        made = self.honest.seals[role]
        fields = change(take_apart(made))
        again = put_together(fields, by or self.signers[role])
        if by is None:
            again = with_signature_of(made, again)
        return self.honest.with_seal(role, again)

    def follow(self, deployment: Deployment, role: int) -> Deployment:
        """The later signers sign on top of a changed seal without looking at it."""
        for later in range(role + 1, 3):
            fields = take_apart(deployment.seals[later])
            digest = sha256(deployment.seals[later - 1])
            fields["predecessor"] = encode.octets(digest, 0x80)
            made = put_together(fields, self.signers[later])
            deployment = deployment.with_seal(later, made)
        return deployment

    def verdicts(self, deployment: Deployment) -> Verdicts:
        """What Store, site and node say."""
        return Verdicts(
            _code(
                lambda: upstream.verify_submission(
                    deployment.package(), self.entries[0], NOW, FLOOR
                )
            ),
            _code(lambda: upstream.verify_package(deployment.package(), self.trust, NOW, FLOOR)),
            self.of_node(deployment),
        )

    def of_node(self, deployment: Deployment, now: int = NOW, floor: int = FLOOR) -> str:
        """What the node says."""
        return _code(
            lambda: custody.verify(
                deployment.package(),
                deployment.seals[SITE_SEAL],
                self.trust,
                NODE,
                SERVICE,
                self.node.spki,
                now,
                floor,
            )
        )


@dataclass(frozen=True)
class Verdicts:
    """Codes, or ACCEPTED."""

    store: str
    site: str
    node: str


@dataclass
class Package:
    """As `custody` wants it."""

    executable: io.BytesIO
    metadata: bytes
    developer_seal: bytes
    store_seal: bytes


@dataclass(frozen=True)
class Deployment:
    """Seals by role, and what they speak of."""

    seals: tuple[bytes, ...]
    executable: bytes
    metadata: bytes

    def with_seal(self, role: int, made: bytes) -> Deployment:
        """With another seal in one place."""
        return replace(self, seals=(*self.seals[:role], made, *self.seals[role + 1 :]))

    def package(self) -> Package:
        """All but the site seal."""
        return Package(io.BytesIO(self.executable), self.metadata, *self.seals[:2])


def with_signature_of(old: bytes, new: bytes) -> bytes:
    """The new seal with the old one's signature."""
    signed = der.single(new)
    body, algorithm = bytes(signed.element()), bytes(signed.element())
    kept = der.single(old)
    kept.element()
    kept.element()
    return bytes(encode.sequence(body, algorithm, kept.element()))


def _code(check: Callable[[], object]) -> str:
    try:
        check()
    except errors.SealError as refusal:
        return str(refusal.code)
    return ACCEPTED
