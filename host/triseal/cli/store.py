"""`triseal store`: the commands of a Store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from sealcore import names
from triseal import files, package, pem, request
from triseal.certificate import CLOCK_SKEW
from triseal.cli import options, output
from triseal.developer.sign import MAX_YEARS, years
from triseal.store import authority, records
from triseal.store import store as stores

app = typer.Typer()

_WHO = "the Store's key"

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TRISEAL_STORE_DATABASE",
        help="SQLite file, or postgresql: URL, to use instead of the one in the home.",
        metavar="URL",
    ),
]


@app.command(
    epilog=options.examples(
        'store init --name "Example Store"',
        "store init --name Test --algorithm p256 --no-passphrase",
        'store init --name Test --key "pkcs11:token=shop;object=seals"',
    )
)
def init(
    name: Annotated[
        str, typer.Option("--name", help="Name of the Store, as seals show it.", metavar="NAME")
    ],
    algorithm: options.Algorithm = "rsa2048",
    key: options.KeyURI = "",
    valid_years: Annotated[
        int,
        typer.Option(
            "--years", min=1, max=MAX_YEARS, help="Validity of its certificate.", metavar="YEARS"
        ),
    ] = 20,
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Create a Store: its key and its certificate."""
    new = options.new_key(algorithm, key, passphrase_file, _WHO, none=no_passphrase)
    folder = home_dir or stores.default()
    stores.init(folder, name, new, years(int(time.time()) - CLOCK_SKEW, valid_years))
    with _open(folder, None, None) as store:
        output.facts(_about(store), as_json=as_json)


@app.command(epilog=options.examples("store register-developer ada.pem"))
def register_developer(
    file: Annotated[
        Path, typer.Argument(help="The developer's request.", metavar="REQUEST", readable=False)
    ],
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Register a developer. A person must approve it before the Store accepts anything."""
    data = files.read(file, request.MAX_SIZE)
    with _open(home_dir, database, None) as store:
        output.facts(_developer(store.register(data)), as_json=as_json)


@app.command(epilog=options.examples("store approve 6f1c..."))
def approve(
    fingerprint: Annotated[
        str,
        typer.Argument(
            help="The one that the developer's `triseal dev show` prints.", metavar="FINGERPRINT"
        ),
    ],
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Approve a developer. Compare the fingerprint before."""
    with _open(home_dir, database, None) as store:
        output.facts(_developer(store.approve(fingerprint)), as_json=as_json)


@app.command(epilog=options.examples("store submit blink-1.0.0.triseal --out blink.triseal"))
def submit(
    file: Annotated[
        Path, typer.Argument(help="A developer's package.", metavar="PACKAGE", readable=False)
    ],
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Check a package, countersign it and keep it. With --out it is also written to a file."""
    submitted = package.read(file)
    with _open(home_dir, database, passphrase_file) as store:
        release, sealed = store.submit(submitted)
    if out is not None:
        package.write(out, sealed)
    output.facts(_release(release) | _written(out), as_json=as_json)


@app.command("list", epilog=options.examples("store list", "store list blink --json"))
def list_(
    service: Annotated[
        str | None, typer.Argument(help="Only this service.", metavar="SERVICE")
    ] = None,
    developers: Annotated[
        bool, typer.Option("--developers", help="List developers instead of services.")
    ] = False,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """List countersigned services, or registered developers."""
    with _open(home_dir, database, None) as store:
        if developers:
            people = [_developer(known) for known in store.developers()]
            shown = ("name", "state", "fingerprint")
            output.table(people, shown, as_json=as_json, empty="no developers")
            return
        rows = [_release(release) for release in store.releases(service)]
    columns = ("service", "version", "security_version", "developer", "submitted_at")
    output.table(rows, columns, as_json=as_json, empty="no services")


@app.command(
    epilog=options.examples("store get blink", "store get blink --version 1.0.0 --out b.triseal")
)
def get(
    service: Annotated[str, typer.Argument(help="Name of the service.", metavar="SERVICE")],
    version: Annotated[
        str | None,
        typer.Option("--version", help="This version instead of the newest.", metavar="VERSION"),
    ] = None,
    out: options.Out = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Write a countersigned package, ready for a site."""
    with _open(home_dir, database, None) as store:
        release, sealed = store.get(service, version)
    target = out or Path(f"{release.service}-{release.version}{package.SUFFIX}")
    package.write(target, sealed)
    output.facts(_release(release) | _written(target), as_json=as_json)


@app.command(epilog=options.examples("store show", "store show --cert-out store.pem"))
def show(
    cert_out: Annotated[
        Path | None,
        typer.Option(
            "--cert-out",
            help="Write the certificate to this file, PEM.",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Show the Store's name, fingerprint and certificate."""
    with _open(home_dir, database, None) as store:
        if cert_out is not None:
            files.write(cert_out, pem.encode(pem.CERTIFICATE, bytes(store.certificate.der)))
        output.facts(_about(store), as_json=as_json)


@contextlib.contextmanager
def _open(
    home_dir: Path | None, database: str | None, passphrase_file: Path | None
) -> Iterator[stores.Store]:
    home = home_dir or stores.default()
    ask = options.passphrase(passphrase_file, _WHO)
    store = stores.Store(home, lambda: authority.unlock(home, ask), database)
    try:
        yield store
    finally:
        store.close()


def _about(store: stores.Store) -> output.Facts:
    return {
        "name": names.common_name(store.certificate.subject),
        "fingerprint": request.fingerprint(bytes(store.certificate.spki)),
        "valid_from": output.time(store.certificate.not_before),
        "valid_to": output.time(store.certificate.not_after),
    }


def _developer(developer: records.Developer) -> dict[str, object]:
    return {
        "name": developer.name,
        "state": "pending" if developer.approved_at is None else "approved",
        "fingerprint": developer.fingerprint,
        "registered_at": output.time(developer.registered_at),
        "approved_at": output.time(developer.approved_at),
    }


def _release(release: records.Release) -> dict[str, object]:
    return {
        "service": release.service,
        "version": release.version,
        "security_version": release.security_version,
        "developer": release.developer,
        "entry": release.entry,
        "executable_sha256": release.executable,
        "metadata_sha256": release.metadata,
        "submitted_at": output.time(release.submitted_at),
    }


def _written(path: Path | None) -> dict[str, object]:
    return {} if path is None else {"package": str(path)}
