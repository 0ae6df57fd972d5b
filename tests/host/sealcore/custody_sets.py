"""Sets of three seals that belong together, but for what is changed on purpose: each is signed
rightly, so that custody's own steps decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from random import Random

from sealcore import bundle, sealwriter
from tests.host.fuzz import tree
from tests.host.fuzz.mutate import MUTATIONS
from tests.host.fuzz.seeds import NOW, SERIAL, SITE, p256, rsa2048
from tests.host.fuzz.tree import Node
from triseal import bundles, certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner

DAY = 86400
EXECUTABLE = b"async def main(ctx):\n    pass\n"
AROUND = Validity(NOW - DAY, NOW + DAY)
METADATA = b'{"entry": "app.py"}'


@dataclass(frozen=True)
class Parties:
    """Who signs; the developers' and the Store's names are D and S."""

    developer: KeySigner
    store: KeySigner
    site: KeySigner

    def bundle(self) -> bytes:
        """The trust bundle that names them, and another key of each name."""
        other = p256(99).spki
        entries = [
            [(sealwriter.name(name), signer.spki), (sealwriter.name(name), other)]
            for name, signer in ((SITE, self.site), ("S", self.store), ("D", self.developer))
        ]
        return bundles.simple(self.site, 1, SITE, NOW, entries)


def all_parties() -> list[Parties]:
    """RSA, P-256 and a mix."""
    rsa = rsa2048()
    return [Parties(rsa, rsa, rsa), Parties(p256(1), p256(2), p256(3)), Parties(rsa, p256(2), rsa)]


@dataclass(frozen=True)
class One:
    """What one seal says."""

    issuer: str
    service: str = "blink"
    executable: bytes = EXECUTABLE
    version: str = "1.0.0"
    security_version: int = 5
    predecessor: bytes | None = None
    validity: Validity = AROUND
    uri: str = f"spiffe://{SITE}/node/n1/service/blink"
    spki: bytes = b""
    mutation: int | None = None


CHANGES: tuple[dict[str, object], ...] = (
    {"issuer": "X"},
    {"service": "other"},
    {"executable": b"other"},
    {"version": "1.0.1"},
    {"security_version": 6},
    {"predecessor": bytes(32)},
    {"validity": Validity(NOW - DAY, NOW - 1)},
    {"validity": Validity(NOW + 1, NOW + DAY)},
    {"uri": f"spiffe://{SITE}/node/n2/service/blink"},
    {"uri": "spiffe://else/node/n1/service/blink"},
    {"uri": f"spiffe://{SITE}/node/n1/service/other"},
    {"spki": p256(50).spki},
)


def _write(one: One, signer: KeySigner, predecessor: bytes | None, grants: bool) -> bytes:
    core = sealwriter.core(
        sha256(one.executable).digest(),
        len(one.executable),
        sha256(METADATA).digest(),
        one.version,
        one.security_version,
    )
    before = b"" if predecessor is None else one.predecessor or sha256(predecessor).digest()
    service_seal = sealwriter.service_seal(core, before, ("log",) if grants else None)
    if grants:
        extensions = certificate.site_seal_extensions(signer.spki, service_seal, one.uri)
    else:
        extensions = certificate.code_seal_extensions(signer.spki, service_seal)
    names = sealwriter.name(one.issuer), sealwriter.name(one.service)
    made = certificate.issue(signer, *names, one.spki, one.validity, SERIAL, extensions)
    return bytes(made) if one.mutation is None else _mutate(bytes(made), signer, one.mutation)


def _mutate(der: bytes, signer: KeySigner, number: int) -> bytes:
    root = tree.decode(der)
    signed = root.children or []
    MUTATIONS[number % len(MUTATIONS)](signed[0], Random(number))
    signed[2] = Node(b"\x03", b"\x00" + signer.sign(tree.encode(signed[0])))
    return tree.encode(root)


def write(parties: Parties, rng: Random) -> list[bytes]:
    """A set, with one change or none: the values of a line `custody` (see `verdicts`)."""
    node_key = p256(4).spki
    key = parties.developer.spki
    seals = [One("D", spki=key), One("S", spki=key), One(SITE, spki=node_key)]
    which = rng.randrange(4)
    if which < 3:
        change = rng.choice((*CHANGES, *[{"mutation": rng.randrange(1 << 20)}] * 4))
        # What the later seals only repeat is changed in them too, so that they are reached.
        for i in range(which, 3 if rng.random() < 0.3 else which + 1):
            seals[i] = replace(seals[i], **change)  # type: ignore[arg-type]
    developer = _write(seals[0], parties.developer, None, grants=False)
    store = _write(seals[1], parties.store, developer, grants=False)
    site = _write(seals[2], parties.site, store, grants=True)
    executable = rng.choice((*[EXECUTABLE] * 6, EXECUTABLE + b"#", EXECUTABLE[1:]))
    metadata = rng.choice((*[METADATA] * 9, b"{}"))
    numbers = f"{rng.choice((0, 5, 5, 5, 6))} {NOW + rng.choice((0, 0, 0, 0, -2 * DAY, 2 * DAY))}"
    return [developer, store, site, executable, metadata, node_key, numbers.encode()]


def trusted(parties: Parties) -> bytes:
    """Their bundle, parsed once to see that it is one."""
    der = parties.bundle()
    bundle.parse(der)
    return der
