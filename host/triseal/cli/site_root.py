"""`triseal site root`: the roots, whose signatures change whom the site trusts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files
from triseal.cli import options, output
from triseal.cli.site_options import (
    ROOT,
    Keys,
    open_root,
    open_site,
    open_to_change_trust,
)

if TYPE_CHECKING:
    from triseal.bundlerequest import BundleRequest
    from triseal.site.rules.trust import Changed, Difference

app = typer.Typer(no_args_is_help=True)

_MAX_KEY = 32768

Request = Annotated[
    Path | None,
    typer.Option(
        "--request",
        help="File to write if more roots must sign. Default: bundle-VERSION.request.",
        metavar="FILE",
        readable=False,
    ),
]
Fingerprint = Annotated[
    str, typer.Argument(help="Fingerprint of the root's key, as status shows it.", metavar="HEX")
]


@app.command(epilog=options.examples("site root init --root-passphrase-file root.txt"))
def init(
    algorithm: options.Algorithm = "rsa2048",
    root_key: options.KeyURI = "",
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give a site of an older program its first root. Its nodes need no cable for that.

    The site's key signs the next trust bundle once more, together with the root: so nodes accept
    it. From then on only the root signs.
    """
    new = options.new_key(
        algorithm, root_key, root_passphrase_file, ROOT, none=no_passphrase, root=True
    )
    with open_to_change_trust(
        home_dir, root_passphrase_file, passphrase_file=passphrase_file
    ) as site:
        first = site.found_roots(new)
        _show(home_dir, first.version, as_json=as_json)


@app.command(epilog=options.examples("site root create offline.key --public offline.pem"))
def create(
    file: Annotated[
        Path,
        typer.Argument(help="File for the key; it must not exist.", metavar="FILE", readable=False),
    ],
    public: Annotated[
        Path,
        typer.Option(
            "--public", help="File for the public key, PEM.", metavar="FILE", readable=False
        ),
    ],
    algorithm: options.Algorithm = "rsa2048",
    key: options.KeyURI = "",
    no_passphrase: options.NoPassphraseFlag = False,
    root_passphrase_file: options.RootPassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Make the key of another root, on any computer. Give its public key to `site root add`."""
    from triseal import pem, request

    new = options.new_key(algorithm, key, root_passphrase_file, ROOT, none=no_passphrase, root=True)
    new.check()
    signer = new.create(file)
    try:
        files.write(public, pem.encode(pem.PUBLIC_KEY, signer.spki))
    except BaseException:
        file.unlink(missing_ok=True)  # or the same command would find a key that nobody knows
        raise
    facts = {"fingerprint": request.fingerprint(signer.spki), "public": str(public)}
    output.facts(facts, as_json=as_json)


@app.command(epilog=options.examples("site root status"))
def status(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Show the roots, and how many of them must sign a change of trust."""
    with open_site(home_dir) as site:
        _show(home_dir, site.bundle().version, as_json=as_json)


@app.command(epilog=options.examples("site root add offline.pem --fingerprint 6f1c..."))
def add(
    file: Annotated[
        Path,
        typer.Argument(help="The root's public key, PEM or DER.", metavar="KEY", readable=False),
    ],
    fingerprint: Annotated[
        str | None,
        typer.Option(
            "--fingerprint",
            help="Fingerprint that `site root create` printed; any other key is refused. Use it.",
            metavar="HEX",
        ),
    ] = None,
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Add a root. The threshold stays as it is: see `site root threshold`."""
    from triseal import request
    from triseal.site import inputs
    from triseal.site.rules import trust

    spki = files.parsed(file, _MAX_KEY, inputs.public_key)
    request.check_fingerprint(spki, fingerprint)
    _change(trust.with_root(spki), keys, root_passphrase_file, out, home_dir, as_json=as_json)


@app.command(epilog=options.examples("site root remove 6f1c... --key offline.key"))
def remove(
    fingerprint: Fingerprint,
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Remove a root, such as one whose key is lost. The other roots must sign that."""
    from triseal.site.rules import trust

    change = trust.without_root(fingerprint)
    _change(change, keys, root_passphrase_file, out, home_dir, as_json=as_json)


@app.command(epilog=options.examples("site root threshold 2 --key offline.key"))
def threshold(
    number: Annotated[
        int, typer.Argument(help="Number of roots that must sign.", metavar="N", min=1)
    ],
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Change how many of the roots must sign a change of trust."""
    from triseal.site.rules import trust

    change = trust.with_threshold(number)
    _change(change, keys, root_passphrase_file, out, home_dir, as_json=as_json)


@app.command(epilog=options.examples("site root sign bundle-7.request --key offline.key"))
def sign(
    file: Annotated[
        Path,
        typer.Argument(
            help="The request file; the signature is added to it.",
            metavar="REQUEST",
            readable=False,
        ),
    ],
    key: Annotated[
        str, typer.Option("--key", help="Key of the root: a file, or pkcs11:...", metavar="URI")
    ],
    out: options.Out = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without a question.")] = False,
    root_passphrase_file: options.RootPassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Sign a change of trust with one root. It needs no site, no database and no network.

    It prints what the new trust bundle changes, and asks before it signs. It prints all keys if the
    roots change, or if the versions do not follow each other.
    """
    from triseal import bundlerequest

    request = files.parsed(file, bundlerequest.MAX_SIZE, bundlerequest.parse)
    shown, whole = _shown(request)
    if not as_json:
        typer.echo(
            f"site {request.asked.site}: trust bundle {request.asked.version}"
            f" in place of {request.held.version}"
        )
        for line in shown + whole:
            typer.echo(output.printable(f"the new trust bundle {line}"))
    if not yes and not typer.confirm("Sign it?", err=True):
        raise typer.Exit(1)
    signed = request.signed(open_root(key, root_passphrase_file))
    files.write(out or file, signed.der())
    facts = {"request": str(out or file), "signatures_missing": signed.missing}
    told = {"changes": shown, "contents": whole} if as_json else {}
    output.facts(facts | told, as_json=as_json)


@app.command(epilog=options.examples("site root collect bundle-7.request from-bob.request"))
def collect(
    request_files: Annotated[
        list[Path],
        typer.Argument(help="The signed request files.", metavar="REQUEST", readable=False),
    ],
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Put the signatures of several roots together. If they are enough, the change is made."""
    first = merged(request_files)
    with open_site(home_dir) as site, asking(out):
        made = site.accept_bundle(first)
        _show(home_dir, made.version, as_json=as_json)


def merged(request_files: Sequence[Path]) -> BundleRequest:
    """Read request files of one trust bundle, and put their signatures together.

    Args:
        request_files: one file or more.
    """
    from triseal import bundlerequest  # slow to load, and --help needs none of it

    first, *others = [
        files.parsed(file, bundlerequest.MAX_SIZE, bundlerequest.parse) for file in request_files
    ]
    for other in others:
        first = first.merged(other)
    return first


@contextlib.contextmanager
def asking(out: Path | None) -> Iterator[None]:
    """Write the request file if a change of trust needs signatures of roots that are elsewhere.

    Args:
        out: the file; None for one in the present folder.
    """
    from triseal.site.errors import SignaturesWanted

    try:
        yield
    except SignaturesWanted as error:
        if error.request is None:
            raise
        place = out or Path(f"bundle-{error.request.asked.version}.request")
        files.write(place, error.request.der())
        raise SignaturesWanted(f"{error.detail}; the request is {place}", error.request) from None


def _change(
    change: Changed,
    keys: Sequence[str] | None,
    root_passphrase_file: Path | None,
    out: Path | None,
    home_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    with open_to_change_trust(home_dir, root_passphrase_file, keys or ()) as site, asking(out):
        made = site.change_trust(change, printer(as_json=as_json))
        _show(home_dir, made.version, as_json=as_json)


def printer(*, as_json: bool) -> Callable[[list[Difference]], None]:
    """Return a function that prints what the next trust bundle changes, before it is signed.

    Args:
        as_json: whether to print nothing, since the output is for programs.
    """

    def show(differences: list[Difference]) -> None:
        for one in differences:
            typer.echo(output.printable(f"the next trust bundle {one}"))

    return (lambda _: None) if as_json else show


def _shown(request: BundleRequest) -> tuple[list[str], list[str]]:
    """Return what the new bundle changes, and all that it has unless the changes tell all."""
    from triseal.site.rules import trust

    before = trust.keys_of(request.held, request.known)
    after = trust.keys_of(request.asked, request.known)
    changes = [str(one) for one in trust.differences(before, after)]
    if request.tells_all:
        return changes, []
    keys = [one for one in trust.contents(after) if one.kind != "threshold"]
    return changes, [f"has {one.what}" for one in keys]


def _show(home_dir: Path | None, version: int, *, as_json: bool) -> None:
    from triseal import bundles, request
    from triseal.site import home

    folder = home_dir or home.default()
    with open_site(home_dir) as site:
        number, keys = bundles.roots_of(site.bundle())
        facts = {
            "site": site.name,
            "bundle_version": version,
            "threshold": number if site.issuer.first is not None else 0,
            "roots": [request.fingerprint(spki) for spki in keys if site.issuer.first is not None],
            "key_here": str(folder / home.ROOT) if (folder / home.ROOT).exists() else "",
        }
    output.facts(facts, as_json=as_json)
