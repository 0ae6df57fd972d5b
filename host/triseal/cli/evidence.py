"""`triseal evidence`: seals, or checkpoints of a log, that contradict each other.

Everybody can verify them with public keys alone.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sealcore import der, errors, x509
from triseal import evidence, files, package, pem, request
from triseal.cli import options, output
from triseal.errors import NoContradiction
from triseal.log import checkpoint, endorsement, forks, note, unsigned
from triseal.log.errors import BadLogData
from triseal.log.note import Key
from triseal.log.writer import Folder

app = typer.Typer()

Keys = Annotated[
    list[Path] | None,
    typer.Option(
        help="A certificate or request with its public key; may be repeated.",
        metavar="FILE",
        readable=False,
    ),
]

Log = Annotated[
    Path | None,
    typer.Option(
        "--log", help="Folder with the files of the log.", metavar="FOLDER", readable=False
    ),
]


@app.command(
    epilog=options.examples(
        "evidence make store.der site.der --out case.evidence",
        "evidence make blink-1.0.0.triseal --out case.evidence",
        "evidence make one.checkpoint other.checkpoint --store-cert store.pem --out case.evidence",
    )
)
def make(
    seals: Annotated[
        list[Path],
        typer.Argument(
            help="Two seals, one package, or two checkpoints of a log.",
            metavar="FILE",
            readable=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="File to write.", metavar="FILE", readable=False)
    ],
    store_cert: Keys = None,
    log: Log = None,
    as_json: options.Json = False,
) -> None:
    """Put two that contradict each other into one file.

    Two checkpoints of different sizes also need --log: the files of the log with the larger one.
    """
    if store_cert:
        made_of = _fork(seals, store_cert, log)
        files.write(out, made_of.der())
        output.facts({**_said(made_of), "evidence": str(out)}, as_json=as_json)
        return
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
    data = files.read(file, max(evidence.MAX_SIZE, forks.MAX_SIZE, unsigned.MAX_SIZE))
    if _is(data, unsigned.LABEL):
        made = unsigned.parse(data)
        made.check([_log_key(path) for path in store_cert or ()])
        said = {"kind": "unsigned", "role": "store", "signer": made.key.name}
        about = {"service": made.said.service, "version": made.said.version}
        output.facts({"proven": True, **said, **about}, as_json=as_json)
        return
    if _is(data, forks.LABEL):
        parsed = forks.parse(data)
        parsed.check([_log_key(path) for path in store_cert or ()])
        output.facts({"proven": True, **_said(parsed)}, as_json=as_json)
        return
    trust = evidence.Keys(
        site_keys=[_entry(path) for path in site_cert or ()],
        store_keys=[_entry(path) for path in store_cert or ()],
        developers=[_entry(path) for path in developer or ()],
    )
    finding = evidence.check(data, trust)
    output.facts({"proven": True} | asdict(finding), as_json=as_json)


def _is(data: bytes, label: str) -> bool:
    try:
        return bool(der.single(data).text(1, 63) == label)
    except errors.SealError:
        return False


def _log_key(path: Path) -> Key:
    """Return the key of the log that the file of a Store names."""
    data = files.read(path, pem.MAX_SIZE)
    signed = endorsement.of_file(data)
    if not signed:
        raise BadLogData(f"{path} names no log; `triseal store show --cert-out` writes it")
    return endorsement.check(signed, _entry(path)[1])


def _fork(paths: list[Path], certificates: list[Path], log: Path | None) -> forks.Fork:
    if len(paths) != 2:
        raise typer.BadParameter("give two checkpoints")
    pair = [files.parsed(path, note.MAX_SIZE, checkpoint.parse) for path in paths]
    tree = Folder(log).tree(max(one.size for one in pair)) if log else None
    keys = [_log_key(path) for path in certificates]
    key = next((one for one in keys if one.name == pair[0].origin), keys[0])
    return forks.make(key, pair[0], pair[1], tree.complete if tree else None)


def _said(fork: forks.Fork) -> output.Facts:
    return {
        "kind": "forked",
        "role": "log",
        "signer": fork.key.name,
        "sizes": [fork.older.size, fork.newer.size],
    }


def _seals(paths: list[Path]) -> list[bytes]:
    if len(paths) == 1:
        content = package.read(paths[0])
        if not content.store_seal:
            raise NoContradiction(f"{paths[0]} has only one seal")
        return [content.developer_seal, content.store_seal]
    return [files.parsed(path, pem.MAX_SIZE, _certificate) for path in paths]


def _certificate(data: bytes) -> bytes:
    return pem.expect(data, pem.CERTIFICATE)


def _entry(path: Path) -> evidence.Entry:
    """Return name and key of a certificate or a request."""
    return files.parsed(path, pem.MAX_SIZE, _entry_of)


def _entry_of(data: bytes) -> evidence.Entry:
    if pem.decode(data)[0] == pem.REQUEST:
        return request.parse(data).entry
    parsed = x509.parse(_certificate(data))
    return bytes(parsed.subject), bytes(parsed.spki)
