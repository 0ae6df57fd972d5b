"""What the commands of a Store share: its home, its database, and how it shows things."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.choices import MAX_YEARS
from triseal.cli import options, output

if TYPE_CHECKING:
    from triseal.bucket import Place
    from triseal.certificate import Validity
    from triseal.store import records
    from triseal.store import store as stores
    from triseal.store.changes import Why
    from triseal.store.remote import Remote

WHO = "the Store's key"
ROOT = "the Store's root"

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TRISEAL_STORE_DATABASE",
        help="SQLite file, or postgresql: URL, to use instead of the one in the home.",
        metavar="URL",
    ),
]
DEFAULT_YEARS = 20
Years = Annotated[
    int,
    typer.Option(
        "--years", min=1, max=MAX_YEARS, help="Validity of its certificate.", metavar="YEARS"
    ),
]
RootFile = Annotated[
    Path | None,
    typer.Option(
        "--root-passphrase-file",
        help="File or pipe with the passphrase of the root. Default: as for the other key.",
        metavar="FILE",
        readable=False,
    ),
]

Admin = Annotated[
    str,
    typer.Option(
        "--admin",
        envvar="TRISEAL_STORE_ADMIN",
        help="Decide at a Store elsewhere: the URL that its `store serve --admin-listen` prints.",
        metavar="URL",
    ),
]
AdminCertificate = Annotated[
    Path | None,
    typer.Option(
        "--admin-certificate",
        envvar="TRISEAL_STORE_ADMIN_CERTIFICATE",
        help="Your certificate for --admin and its key, in one PEM file.",
        metavar="FILE",
        readable=False,
    ),
]

BucketURL = Annotated[
    str,
    typer.Option(
        "--bucket",
        help="Keep packages and the log at s3://BUCKET/PREFIX, not in the home (extra s3).",
        metavar="URL",
    ),
]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint",
        help="Server of the bucket. Default: AWS_ENDPOINT_URL, else AWS.",
        metavar="URL",
    ),
]


def _given(reason: str) -> str:
    from triseal.words import check_reason

    return check_reason(reason)


Reason = Annotated[
    str,
    typer.Option(
        "--reason", help="The reason, which sites are told.", metavar="TEXT", callback=_given
    ),
]


@contextlib.contextmanager
def open_store(
    home_dir: Path | None, database: str | None, passphrase_file: Path | None = None
) -> Iterator[stores.Store]:
    """Open the Store of a command, and close it after the block.

    Args:
        home_dir: the folder from --home, or None.
        database: the database from --database, or None.
        passphrase_file: the file from --passphrase-file, or None.
    """
    from triseal.store import authority  # slow to load, and --help needs none of it
    from triseal.store import store as stores

    home = home_dir or stores.default()
    ask = options.passphrase(passphrase_file, WHO)
    store = stores.Store(home, lambda: authority.unlock(home, ask), database)
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def deciding(
    home_dir: Path | None, database: str | None, admin: str, certificate: Path | None
) -> Iterator[stores.Store | Remote]:
    """Open the Store of a command that decides: here, or one that runs elsewhere.

    Args:
        home_dir: the folder from --home, or None.
        database: the database from --database, or None.
        admin: the URL from --admin, or "".
        certificate: the file from --admin-certificate, or None.
    """
    if not admin:
        with open_store(home_dir, database) as store:
            yield store
        return
    if certificate is None:
        raise typer.BadParameter("give --admin-certificate as well", param_hint="--admin")
    if home_dir is not None or database is not None:  # the decision would be made elsewhere
        text = "give either --admin or a Store that is here"
        raise typer.BadParameter(text, param_hint="--home" if home_dir else "--database")
    from triseal.store.remote import Remote

    with Remote(admin, certificate) as remote:
        yield remote


def validity(years: int) -> Validity:
    """Return a validity of whole years that begins shortly before now.

    Args:
        years: the number of years.
    """
    from triseal.certificate import CLOCK_SKEW, now
    from triseal.developer import sign

    return sign.years(now() - CLOCK_SKEW, years)


def why(reason: str) -> Why:
    """Return the reason of a change, with the user who runs the command.

    Args:
        reason: the text from --reason.
    """
    from triseal.store.changes import Why, local

    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        who = ""
    return Why(reason, local(who, os.getuid()))


def developer(known: records.Developer) -> dict[str, object]:
    """Return the facts about a developer that the commands print.

    Args:
        known: the developer.
    """
    return {
        "name": known.name,
        "state": known.state,
        "fingerprint": known.fingerprint,
        "registered_at": output.time(known.registered_at),
        "approved_at": output.time(known.approved_at),
        "suspended_at": output.time(known.suspended_at),
        "replaced_at": output.time(known.replaced_at),
    }


def place(bucket: str, endpoint: str) -> Place | None:
    """Return where the files of a Store are to be; None for its home.

    Args:
        bucket: the URL from --bucket, or "".
        endpoint: the URL from --endpoint, or "".
    """
    from triseal.bucket import Place

    if endpoint and not bucket:
        raise typer.BadParameter("give --bucket as well", param_hint="--endpoint")
    return Place.of(bucket, endpoint) if bucket else None
