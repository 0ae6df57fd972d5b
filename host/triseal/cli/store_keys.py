"""`triseal store key ...` and `triseal store export-notices`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files
from triseal.cli import options, output
from triseal.cli.store_options import (
    DEFAULT_YEARS,
    ROOT,
    Database,
    Reason,
    RootFile,
    Years,
    open_store,
    validity,
    why,
)

if TYPE_CHECKING:
    from triseal.signer import Signer
    from triseal.store.records import Release
    from triseal.store.rotation import KeyState
    from triseal.store.store import Store

app = typer.Typer()
key = typer.Typer(help="The Store's own signing keys and its root.", no_args_is_help=True)
app.add_typer(key, name="key")

Root = Annotated[
    str,
    typer.Option(
        "--root",
        help="Where the root's key is: a file, or pkcs11:... Default: root.key in the home.",
        metavar="FILE|URI",
    ),
]
_EXPORT = "`triseal store export-notices --out FILE` for the sites"


@app.command("export-notices", epilog=options.examples("store export-notices --out shop.notices"))
def export_notices(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE", readable=False)
    ],
    since: Annotated[
        int, typer.Option("--since", min=0, help="Only changes after this number.", metavar="N")
    ] = 0,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Write what sites should know of this Store.

    That is what the Store has decided, and its signing keys.

    A site reads the file with `triseal site trust review FILE`. The Store's key signs it.
    """
    from triseal import notices

    with open_store(home_dir, database, passphrase_file) as store:
        made = store.notices(since)
        newest = max((one.number for one in store.changes(since)), default=since)
    files.write(out, notices.to_pem(made))
    facts = {
        "notices": str(out),
        "since": made.since,
        "last": made.last,
        "newest": newest,
        "signing_keys": len(made.certificates),
    }
    output.facts(facts, as_json=as_json)
    if newest > made.last and not as_json:
        output.warn([f"one file holds no more: write the rest with --since {made.last}"])


@key.command(epilog=options.examples("store key status", "store key status --json"))
def status(
    home_dir: options.Home = None, database: Database = None, as_json: options.Json = False
) -> None:
    """Show the Store's signing keys: in use, prepared and former ones."""
    from triseal.store import rotation

    with open_store(home_dir, database) as store:
        rows = [_row(one) for one in rotation.states(store.home)]
    columns = ("fingerprint", "state", "valid_to", "place")
    output.table(rows, columns, as_json=as_json, empty="no keys")


@key.command(epilog=options.examples("store key root", "store key root --root-key pkcs11:..."))
def root(
    root_key: Annotated[
        str, typer.Option("--root-key", help="Keep it on a token: a pkcs11: URI.", metavar="URI")
    ] = "",
    no_passphrase: options.NoPassphraseFlag = False,
    root_passphrase_file: RootFile = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Make the root of a Store that was made without one.

    The Store's certificate is written anew, with the same key, and names the root. Give it to the
    sites (`triseal store show --cert-out FILE`, `triseal site trust-store FILE`).
    """
    from triseal import request
    from triseal.store import authority, rotation

    with open_store(home_dir, database, passphrase_file) as store:
        store.signer()  # before another passphrase is asked for
        file = root_passphrase_file or passphrase_file
        new = options.new_key("p256", root_key, file, ROOT, none=no_passphrase)
        made = rotation.make_root(store, new)
        facts = {
            "root": request.fingerprint(made.spki),
            "root_key": str(store.home / authority.ROOT_KEY),
        }
    output.facts(facts, as_json=as_json)


@key.command(
    epilog=options.examples(
        "store key prepare --reason 'every two years'",
        "store key prepare --root /media/stick/root.key --reason 'the key was lost'",
    )
)
def prepare(
    reason: Reason,
    algorithm: options.Algorithm = "rsa2048",
    new_key: options.KeyURI = "",
    where: Root = "",
    root_passphrase_file: RootFile = None,
    valid_years: Years = DEFAULT_YEARS,
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Make a new signing key, which the root names beside the present one.

    Sites that review the notices then trust both. The Store goes on with the present key until
    `triseal store key activate`.
    """
    from triseal.store import rotation

    with open_store(home_dir, database, passphrase_file) as store:
        signer = _unlock_root(store, where, root_passphrase_file or passphrase_file)
        new = options.new_key(
            algorithm, new_key, passphrase_file, "the new key", none=no_passphrase
        )
        made = rotation.prepare(store, signer, new, validity(valid_years), why(reason))
        facts = _row(made) | {"next": f"{_EXPORT}; when they have reviewed it: store key activate"}
    output.facts(facts, as_json=as_json)


@key.command(epilog=options.examples("store key activate --reason 'the sites have the new key'"))
def activate(
    reason: Reason,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Sign with the prepared key, and countersign all releases again with it.

    A site that has not reviewed the notices refuses the new seals until it has. What runs goes on.
    """
    from triseal.store import rotation

    with open_store(home_dir, database, passphrase_file) as store:
        ask = options.passphrase(passphrase_file, "the new key")
        made, sealed = rotation.activate(store, ask, why(reason))
    output.facts(_activated(made, sealed), as_json=as_json)


@key.command(epilog=options.examples("store key revoke --reason 'the disk was stolen'"))
def revoke(
    reason: Reason,
    where: Root = "",
    root_passphrase_file: RootFile = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Let the root name the key in use alone, and remove the former or prepared one.

    A site that reviews the notices stops trusting the removed key.
    """
    from triseal.store import rotation

    with open_store(home_dir, database, passphrase_file) as store:
        signer = _unlock_root(store, where, root_passphrase_file or passphrase_file)
        gone = rotation.revoke(store, signer, why(reason))
    facts = {"revoked": [one.fingerprint for one in gone], "next": _EXPORT}
    output.facts(facts, as_json=as_json)


@key.command(
    epilog=options.examples(
        "store key rotate --reason 'the key was lost'",
        "store key rotate --root /media/stick/root.key --reason 'the disk was stolen'",
    )
)
def rotate(
    reason: Reason,
    algorithm: options.Algorithm = "rsa2048",
    new_key: options.KeyURI = "",
    where: Root = "",
    root_passphrase_file: RootFile = None,
    valid_years: Years = DEFAULT_YEARS,
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Replace the signing key at once: prepare, activate and revoke. The old key is not needed.

    Until a site has reviewed the notices, it refuses what the new key seals. What runs there goes
    on. For a change that no site notices, use the three steps.
    """
    from triseal.store import rotation

    because = why(reason)
    with open_store(home_dir, database, passphrase_file) as store:
        signer = _unlock_root(store, where, root_passphrase_file or passphrase_file)
        new = options.new_key(
            algorithm, new_key, passphrase_file, "the new key", none=no_passphrase
        )
        rotation.prepare(store, signer, new, validity(valid_years), because)
        secret = new.passphrase
        ask = (lambda: secret) if secret else options.passphrase(passphrase_file, "the new key")
        made, sealed = rotation.activate(store, ask, because)
        gone = rotation.revoke(store, signer, because)
    facts = _activated(made, sealed) | {"revoked": [one.fingerprint for one in gone]}
    output.facts(facts, as_json=as_json)


def _unlock_root(store: Store, where: str, file: Path | None) -> Signer:
    from triseal.store import authority

    return authority.unlock_root(store.home, where, options.passphrase(file, ROOT))


def _activated(made: KeyState, sealed: list[Release]) -> dict[str, object]:
    return _row(made) | {
        "countersigned": [f"{one.service} {one.version}" for one in sealed],
        "next": f"{_EXPORT}, and `triseal store get` for what they run",
    }


def _row(one: KeyState) -> dict[str, object]:
    return {
        "fingerprint": one.fingerprint,
        "state": one.state,
        "valid_to": output.time(one.not_after),
        "place": str(one.place),
    }
