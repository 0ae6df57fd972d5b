"""`triseal store`: the commands of a Store."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealcore import names
from triseal import files, package, pem
from triseal.cli import (
    options,
    output,
    store_audit,
    store_export,
    store_keys,
    store_move,
    store_restored,
    store_serve,
    store_standing,
    store_witness,
)
from triseal.cli.store_options import (
    DEFAULT_YEARS,
    ROOT,
    WHO,
    Admin,
    AdminCertificate,
    BucketURL,
    Database,
    Endpoint,
    RootFile,
    Years,
    deciding,
    developer,
    open_store,
    place,
    validity,
    why,
)

if TYPE_CHECKING:
    from triseal.store import records
    from triseal.store import store as stores

app = typer.Typer()
for part in (
    store_standing,
    store_keys,
    store_serve,
    store_audit,
    store_export,
    store_witness,
    store_move,
    store_restored,
):
    app.add_typer(part.app)

RootKey = Annotated[
    str,
    typer.Option(
        "--root-key", help="Keep the root's key on a token: a URI as for --key.", metavar="URI"
    ),
]


@app.command(
    epilog=options.examples(
        'store init --name "Example Store"',
        "store init --name Test --algorithm p256 --no-passphrase",
        'store init --name Test --key "pkcs11:token=shop;object=seals"',
        "store init --name Shop --root-passphrase-file root.txt",
        "store init --name Shop --bucket s3://shop/files --endpoint https://s3.example:9000",
    )
)
def init(
    name: Annotated[
        str, typer.Option("--name", help="Name of the Store, as seals show it.", metavar="NAME")
    ],
    algorithm: options.Algorithm = "rsa2048",
    key: options.KeyURI = "",
    root_key: RootKey = "",
    root_passphrase_file: RootFile = None,
    bucket: BucketURL = "",
    endpoint: Endpoint = "",
    valid_years: Years = DEFAULT_YEARS,
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Create a Store: its key, its certificate and its root.

    The root names the keys of the Store.

    With --bucket, packages and the log are in a bucket, and keys and database in the home.

    The root's key is needed only when the Store gets another key (`triseal store key`). Keep it on
    another medium than the Store's key: then whoever steals the Store's computer can't name keys.
    """
    from triseal.keysource import NewKey  # slow to load, and --help needs none of it
    from triseal.store import authority
    from triseal.store import store as stores

    new = options.new_key(algorithm, key, passphrase_file, WHO, none=no_passphrase)
    if key or root_key or root_passphrase_file:
        file = root_passphrase_file or passphrase_file
        root = options.new_key("p256", root_key, file, ROOT, none=no_passphrase)
    else:
        root = NewKey("p256", new.passphrase)
    folder = home_dir or stores.default()
    stores.init(folder, name, new, validity(valid_years), root, place(bucket, endpoint))
    with open_store(folder, None, None) as store:
        where = {"root_key": str(folder / authority.ROOT_KEY)}
        output.facts(_about(store) | where, as_json=as_json)


@app.command(epilog=options.examples("store renew", "store renew --years 5"))
def renew(
    valid_years: Years = DEFAULT_YEARS,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Renew the Store's certificate and its seals.

    The key stays the same, so sites need not trust the Store again. Give them the packages with the
    new seals: `triseal store get`, then `triseal site add-service`.
    """
    with open_store(home_dir, database, passphrase_file) as store:
        sealed, ended = store.renew(validity(valid_years))
        named = {
            "countersigned": [f"{one.service} {one.version}" for one in sealed],
            "ended": [f"{one.service} {one.version}" for one in ended],
        }
        output.facts({**_about(store), **named}, as_json=as_json)
        if not as_json:
            output.warn([_ends(one) for one in ended])


@app.command(
    epilog=options.examples(
        "store register-developer ada.pem", "store register-developer developer.replacement.pem"
    )
)
def register_developer(
    file: Annotated[
        Path,
        typer.Argument(
            help="The developer's request or replacement.", metavar="REQUEST", readable=False
        ),
    ],
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Register a developer. A person must approve it before the Store accepts anything.

    A replacement of `triseal dev rotate` needs no approval: the old key has signed it.
    """
    from triseal import replacement

    data = files.read(file, 2 * replacement.MAX_SIZE)
    with open_store(home_dir, database, None) as store:
        known = store.register(data)
        output.facts(developer(known) | _waiting(store, known), as_json=as_json)


def _waiting(store: stores.Store, known: records.Developer) -> dict[str, object]:
    """Say what the approval of a key that waits would replace."""
    if known.state != "pending":
        return {}
    same = [one for one in store.developers() if one.name == known.name]
    present = [one for one in same if one.state in ("approved", "suspended")]
    if not present:
        return {}
    who = shlex.quote(known.name)
    command = f"triseal store approve-key {who} --fingerprint {known.fingerprint} --reason ..."
    return {"would_replace": present[0].fingerprint, "to_replace": command}


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
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Approve a developer. Compare the fingerprint before."""
    with deciding(home_dir, database, admin, admin_certificate) as store:
        output.facts(developer(store.approve(fingerprint, why(""))), as_json=as_json)


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
    with open_store(home_dir, database, passphrase_file) as store:
        release, sealed = store.submit(submitted)
        warnings = _ending(store)
    if out is not None:
        package.write(out, sealed)
    output.facts(_release(release) | _written(out), as_json=as_json)
    if not as_json:
        output.warn(warnings)


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
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """List countersigned services, or registered developers.

    With --admin, only developers: the Store's public URL shows its services to everybody.
    """
    from triseal.certificate import SOON

    if developers:
        with deciding(home_dir, database, admin, admin_certificate) as known:
            people = [developer(one) for one in known.developers()]
        shown = ("name", "state", "fingerprint")
        output.table(people, shown, as_json=as_json, empty="no developers")
        return
    if admin:
        raise typer.BadParameter("give --developers as well", param_hint="--admin")
    with open_store(home_dir, database, None) as store:
        releases = store.releases(service)
        states = {one.name: one.state for one in store.services().values()}
        warnings = _ending(store)
    rows = [_release(one) | {"service_state": states[one.service]} for one in releases]
    columns = ("service", "version", "security_version", "developer", "submitted_at", "valid_to")
    output.table(rows, (*columns, "state", "service_state"), as_json=as_json, empty="no services")
    newest = {release.service: release for release in releases}
    soon = time.time() + SOON
    warnings += [_ends(release) for release in newest.values() if release.ends[0] < soon]
    if not as_json:
        output.warn(warnings)


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
    with open_store(home_dir, database, None) as store:
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
    with open_store(home_dir, database, None) as store:
        if cert_out is not None:
            files.write(cert_out, _public(store))
        output.facts(_about(store), as_json=as_json)
        if not as_json:
            output.warn(_ending(store))


def _ending(store: stores.Store) -> list[str]:
    """Return a warning if the Store's certificate ends soon."""
    from triseal.certificate import SOON

    end = store.certificate.not_after
    if end >= time.time() + SOON:
        return []
    return [
        f"the Store's certificate ends {output.time(end)}: `triseal store renew` makes a new one"
        " with the same key"
    ]


def _ends(release: records.Release) -> str:
    """Say when a release ends, and what renews it."""
    end, which = release.ends
    renew = {
        "developer": "the developer runs `triseal dev renew` and submits the package again",
        "store": "`triseal store renew` countersigns it again",
    }
    return (
        f"the {which.replace('store', 'Store')} seal of {release.service} {release.version} ends"
        f" {output.time(end)}: {renew[which]}"
    )


def _public(store: stores.Store) -> bytes:
    """Return the file for sites: the certificate, and before it the log's key."""
    from triseal.log import endorsement

    signed = store.log_endorsement
    line = f"{endorsement.LINE}{signed}\n".encode() if signed else b""
    return line + pem.encode(pem.CERTIFICATE, bytes(store.certificate.der))


def _about(store: stores.Store) -> dict[str, object]:
    from triseal import request
    from triseal.storekeys import root_of

    return {
        "name": names.common_name(store.certificate.subject),
        "fingerprint": request.fingerprint(bytes(store.certificate.spki)),
        "log": str(store.log_key),
        "valid_from": output.time(store.certificate.not_before),
        "valid_to": output.time(store.certificate.not_after),
        "root": root_of(store.certificate).hex() or None,
        "files": store.files.where("").removesuffix("/"),
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
        "state": release.state,
        "valid_to": output.time(release.ends[0]),
    }


def _written(path: Path | None) -> dict[str, object]:
    return {} if path is None else {"package": str(path)}
