"""`triseal evidence`: two seals that contradict each other. Everybody can verify them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sealcore import x509
from triseal import evidence, files, package, pem, request
from triseal.cli import options, output
from triseal.errors import NoContradiction

app = typer.Typer()

Keys = Annotated[
    list[Path] | None,
    typer.Option(
        help="A certificate or request with its public key; may be repeated.",
        metavar="FILE",
        readable=False,
    ),
]


@app.command(
    epilog=options.examples(
        "evidence make store.der site.der --out case.evidence",
        "evidence make blink-1.0.0.triseal --out case.evidence",
    )
)
def make(
    seals: Annotated[
        list[Path],
        typer.Argument(help="Two seals, or one package.", metavar="FILE", readable=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="File to write.", metavar="FILE", readable=False)
    ],
    as_json: options.Json = False,
) -> None:
    """Put two seals that contradict each other into one file."""
    pair = _seals(seals)
    if len(pair) != 2:
        raise typer.BadParameter("give two seals, or one package with both seals")
    made = evidence.make(*pair)
    files.write(out, made)
    finding = evidence.contradiction(*evidence.parse(made))
    output.facts(asdict(finding) | {"evidence": str(out)}, as_json=as_json)


@app.command(
    epilog=options.examples(
        "evidence check case.evidence --store-cert store.pem --developer ada.pem",
        "evidence check case.evidence --store-cert store.pem --site-cert site.pem --json",
    )
)
def check(
    file: Annotated[Path, typer.Argument(help="The evidence.", metavar="FILE", readable=False)],
    store_cert: Keys = None,
    developer: Keys = None,
    site_cert: Keys = None,
    as_json: options.Json = False,
) -> None:
    """Verify evidence with public keys alone. Exit status 0 means that it is proved."""
    trust = evidence.Keys(
        site_keys=[_entry(path) for path in site_cert or ()],
        store_keys=[_entry(path) for path in store_cert or ()],
        developers=[_entry(path) for path in developer or ()],
    )
    finding = evidence.check(files.read(file, evidence.MAX_SIZE), trust)
    output.facts({"proven": True} | asdict(finding), as_json=as_json)


def _seals(paths: list[Path]) -> list[bytes]:
    if len(paths) == 1:
        content = package.read(paths[0])
        if not content.store_seal:
            raise NoContradiction(f"{paths[0]} has only one seal")
        return [content.developer_seal, content.store_seal]
    return [pem.expect(files.read(path, pem.MAX_SIZE), pem.CERTIFICATE) for path in paths]


def _entry(path: Path) -> evidence.Entry:
    """Return name and key of a certificate or a request."""
    data = files.read(path, pem.MAX_SIZE)
    if pem.decode(data)[0] == pem.REQUEST:
        return request.parse(data).entry
    parsed = x509.parse(pem.expect(data, pem.CERTIFICATE))
    return bytes(parsed.subject), bytes(parsed.spki)
