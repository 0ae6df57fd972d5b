"""`triseal dev`: the commands of a developer."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealcore import limits, seal
from triseal import files, package
from triseal.choices import DEFAULT_YEARS, MAX_YEARS
from triseal.cli import dev_store, dev_watch, options, output

if TYPE_CHECKING:
    from triseal.developer.executable import Executable as Found
    from triseal.developer.sign import Release
    from triseal.metadata import Metadata
    from triseal.request import Request

app = typer.Typer()
app.add_typer(dev_store.app)
app.add_typer(dev_watch.app)

_WHO = "the developer's key"
_HAND_OVER = (
    "give it to the Store (`triseal store register-developer`) and to sites (`triseal site "
    "trust-developer`), and tell them the fingerprint"
)
_MOST_LISTED = 20  # files that were packed

SecurityVersion = Annotated[
    int,
    typer.Option(
        "--security-version",
        min=0,
        max=limits.MAX_SECURITY_VERSION,
        help="Nodes refuse lower ones after they have run this one.",
        metavar="N",
    ),
]


@app.command(
    epilog=options.examples(
        'dev init --name "Ada Lovelace"',
        "dev init --name Ada --algorithm p256 --no-passphrase",
        'dev init --name Ada --key "pkcs11:token=ada;object=seals"',
    )
)
def init(
    name: Annotated[
        str, typer.Option("--name", help="Your name, as seals will show it.", metavar="NAME")
    ],
    algorithm: options.Algorithm = "rsa2048",
    key: options.KeyURI = "",
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Create your key and your request. A Store registers you with the request."""
    from triseal.developer import home  # slow to load, and --help needs none of it

    folder = home_dir or home.default()
    new = options.new_key(algorithm, key, passphrase_file, _WHO, none=no_passphrase)
    output.facts(_facts(home.init(folder, name, new), folder), as_json=as_json)


Executable = Annotated[
    Path,
    typer.Argument(help="A .py or .mpy file, or a folder of such.", metavar="FILE", readable=False),
]
Agent = Annotated[
    bool, typer.Option("--agent", help="Sign the agent of this installation; no FILE, no metadata.")
]
FirmwareImage = Annotated[
    Path | None,
    typer.Option(
        "--firmware",
        help="Sign this MicroPython for one app partition; no FILE.",
        metavar="IMAGE",
        readable=False,
    ),
]
Name = Annotated[
    str, typer.Option("--name", help="Name of the service: a-z 0-9 . - _", metavar="NAME")
]
Version = Annotated[
    str, typer.Option("--version", help="Numbers between dots: 1.2.0.", metavar="VERSION")
]
MetadataFile = Annotated[
    Path | None,
    typer.Option("--metadata", help="JSON about the service.", metavar="FILE", readable=False),
]
OptionalExecutable = Annotated[
    Path | None,
    typer.Argument(help="A .py or .mpy file, or a folder of such.", metavar="FILE", readable=False),
]
Again = Annotated[
    bool,
    typer.Option("--again", help="Sign, even if this version was signed with other content."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="List all packed files, even if they are many.")
]
Years = Annotated[
    int,
    typer.Option("--years", min=1, max=MAX_YEARS, help="Validity of the seal.", metavar="YEARS"),
]


@app.command(
    epilog=options.examples(
        "dev sign blink.py --name blink --version 1.0.0 --security-version 1",
        "dev sign app.mpy --name blink --version 1.1 --security-version 1 --metadata blink.json",
        "dev sign blink/ --name blink --version 1.2 --security-version 1",
        "dev sign --agent --name nlsm --version 1.0 --security-version 1",
        "dev sign --firmware C3.app-bin --name mpy --version 1.29 --security-version 1 "
        "--metadata C3.json",
    )
)
def sign(
    file: OptionalExecutable = None,
    agent: Agent = False,
    firmware: FirmwareImage = None,
    *,
    name: Name,
    version: Version,
    security_version: SecurityVersion,
    metadata_file: MetadataFile = None,
    years: Years = DEFAULT_YEARS,
    again: Again = False,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    verbose: Verbose = False,
    as_json: options.Json = False,
) -> None:
    """Seal an executable and its metadata into a package.

    With --agent, the package holds the agent that `triseal node provision` of this installation
    would copy. Only sites that trust you for agents take it.

    With --firmware, the package holds MicroPython for boards of the ESP32 family with two app
    partitions. The metadata says which: {"firmware": {"micropython": "1.28.0", "mpy":
    "6.3-rv32imc"}}. Only sites that trust you for firmware take it.
    """
    from triseal.certificate import CLOCK_SKEW, now
    from triseal.developer import home, signed
    from triseal.developer import sign as signing

    found, text = _content(file, metadata_file, firmware, agent=agent)
    release = signing.Release(name, version, security_version, text)
    described, warnings = _checked(release, found)  # before a passphrase is asked for
    folder = home_dir or home.default()
    developer = home.unlock(folder, options.passphrase(passphrase_file, _WHO))
    validity = signing.years(now() - CLOCK_SKEW, years)
    made = signing.sign(developer, release, found.name, found.content, validity)
    target = out or Path(f"{name}-{version}{package.SUFFIX}")
    kept = files.is_special(target)
    facts = _signed(release, target, developer.name)
    facts |= {"valid_to": output.time(validity.not_after), "capabilities": described.capabilities}
    with contextlib.ExitStack() as told:
        with signed.remembered(folder, made, told, again=again, kept=kept):
            package.write(target, made)
        warnings += _ending(folder)
        _show(facts, found, warnings, verbose=verbose, as_json=as_json)


def _signed(release: Release, target: Path, developer: str) -> dict[str, object]:
    return {
        "package": str(target),
        "service": release.service,
        "version": release.version,
        "security_version": release.security_version,
        "developer": developer,
    }


def _content(
    file: Path | None, metadata_file: Path | None, image: Path | None, *, agent: bool
) -> tuple[Found, bytes]:
    """Return what is signed, and the developer's metadata."""
    from triseal.developer import agent as own
    from triseal.developer import executable, firmware

    if (file is not None) + (image is not None) + agent != 1 or (agent and metadata_file):
        raise typer.BadParameter(
            "give one of them, and --agent without --metadata",
            param_hint="FILE, --agent, --firmware",
        )
    if agent:
        return own.read(), own.metadata()
    text = files.read(metadata_file, package.MAX_METADATA) if metadata_file else b"{}"
    if file is not None:
        return executable.read(file), text
    found = firmware.read(image or Path())
    return found, firmware.metadata(text, found.content)


def _checked(release: Release, found: Found) -> tuple[Metadata, list[str]]:
    """Check a release. Returns its metadata, and warnings about what was found."""
    from triseal import loadable, metadata
    from triseal.developer import review, sign
    from triseal.loadable import SERVICE

    described = metadata.parse(sign.check(release, found.name))
    if described.kind != SERVICE:
        loadable.check(found.name, found.content, kind=described.kind, chip=described.chip)
        return described, []
    return described, review.review(found.packed, described)


def _ending(folder: Path) -> list[str]:
    """Return warnings about seals that end soon."""
    from triseal.certificate import SOON
    from triseal.developer import signed

    return [
        f"your seal of {one.service} {one.version} ends {output.time(one.not_after)}:"
        " `triseal dev renew PACKAGE` makes it valid for longer"
        for one in signed.ending(folder, int(time.time()) + SOON)
    ]


def _show(
    facts: output.Facts, found: Found, warnings: list[str], *, verbose: bool, as_json: bool
) -> None:
    """Print what was signed, and from which files: a list of them, or how many if they are many."""
    packed = [{"path": path, "size": len(data)} for path, data in found.packed.items()]
    facts = dict(facts) | {"sha256": hashlib.sha256(found.content).hexdigest()}
    facts |= {"left_out": found.left_out}
    if as_json:
        output.facts(facts | {"packed": packed, "warnings": warnings}, as_json=True)
        return
    if len(packed) > _MOST_LISTED and not verbose:
        size = sum(len(data) for data in found.packed.values())
        facts |= {"packed": f"{len(packed)} files, {size:,} bytes (--verbose lists them)"}
        packed = []
    output.facts(facts, as_json=False)
    if packed:
        typer.echo("packed:")
    for one in packed:
        typer.echo(f"  {one['size']:>8} bytes  {output.printable(one['path'])}")
    output.warn(warnings)


@app.command(
    epilog=options.examples(
        "dev renew blink-1.0.0.triseal",
        "dev renew blink.triseal --years 5 --out renewed.triseal",
        "dev renew blink.triseal --former 6f1c...",
    )
)
def renew(
    file: Annotated[
        Path,
        typer.Argument(help="A package that you have sealed.", metavar="PACKAGE", readable=False),
    ],
    years: Years = DEFAULT_YEARS,
    former: Annotated[
        str | None,
        typer.Option(
            "--former",
            help="Fingerprint of a key that you have lost, if it has sealed the package. Look at "
            "the content first: whoever has that key could have sealed it.",
            metavar="HEX",
        ),
    ] = None,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Seal the same content and version again.

    Do it before your seal ends, or when you have a new key. Then submit the package.

    A Store takes it in place of the newest version, and a site in place of the one that it has.
    """
    from triseal.certificate import CLOCK_SKEW, now
    from triseal.developer import home, signed
    from triseal.developer import sign as signing

    before = package.read(file)
    folder = home_dir or home.default()
    developer = home.unlock(folder, options.passphrase(passphrase_file, _WHO))
    validity = signing.years(now() - CLOCK_SKEW, years)
    made = signing.renew(developer, before, validity, _former(folder, before, former))
    said = seal.parse(made.developer_seal, seal.DEVELOPER)
    target = out or Path(f"{said.service}-{said.service_version}{package.SUFFIX}")
    facts = {
        "package": str(target),
        "service": said.service,
        "version": said.service_version,
        "developer": developer.name,
        "valid_to": output.time(validity.not_after),
    }
    with contextlib.ExitStack() as told:
        with signed.remembered(folder, made, told, kept=files.is_special(target)):
            package.write(target, made)
        output.facts(facts, as_json=as_json)


def _former(folder: Path, sealed: package.Package, mark: str | None) -> list[bytes]:
    """Return the developer's replaced keys, and the key of the package if it has this mark."""
    from triseal import request
    from triseal.developer import home

    known = home.former(folder)
    if mark is None:
        return known
    spki = bytes(seal.parse(sealed.developer_seal, seal.DEVELOPER).spki)
    request.check_fingerprint(spki, mark)
    return [*known, spki]


@app.command(epilog=options.examples("dev rotate", "dev rotate --algorithm p256 --out ada-new.pem"))
def rotate(
    algorithm: options.Algorithm = "rsa2048",
    key: options.KeyURI = "",
    no_passphrase: options.NoPassphraseFlag = False,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Replace your key by a new one.

    Writes a request that the old key has signed.

    From now on you sign with the new key. Give the request to each Store at once: it takes your new
    key with `triseal store register-developer`, and nothing more that the old one signs. What you
    have sealed before stays valid until sites stop trusting the old key. If the old key was stolen,
    do not use this: tell the Store.
    """
    from triseal.developer import home

    folder = home_dir or home.default()
    before = home.show(folder)
    ask = options.passphrase(passphrase_file, _WHO)
    home.unlock(folder, ask)  # before a new passphrase is asked for
    new = options.new_key(algorithm, key, passphrase_file, "the new key", none=no_passphrase)
    target = out or Path(home.REPLACEMENT)
    made = home.rotate(folder, ask, new, functools.partial(files.write, target))
    facts = dict(_facts(made, folder)) | {
        "replaces": _fingerprint(before),
        "replacement": str(target),
        "next": "give the replacement to each Store, before you sign for it again",
    }
    output.facts(facts, as_json=as_json)


def _fingerprint(parsed: Request) -> str:
    from triseal import request

    return request.fingerprint(parsed.spki)


@app.command("request", epilog=options.examples("dev request", "dev request --out ada.pem"))
def request_(
    out: options.Out = None, home_dir: options.Home = None, as_json: options.Json = False
) -> None:
    """Write your self-signed request. It proves that you hold your key."""
    from triseal.developer import home

    folder = home_dir or home.default()
    pem = home.request_pem(folder)
    facts = dict(_facts(home.show(folder), folder)) | {"next": _HAND_OVER}
    if out is not None:
        files.write(out, pem)
        facts["request"] = str(out)
    elif as_json:
        facts["pem"] = pem.decode()
    else:
        typer.echo(pem.decode(), nl=False)
    if as_json or (out is not None and not files.is_special(out)):  # the request may be the output
        output.facts(facts, as_json=as_json)


@app.command(epilog=options.examples("dev show", "dev show --json"))
def show(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Show your name and your key's fingerprint."""
    from triseal.developer import home

    folder = home_dir or home.default()
    output.facts(_facts(home.show(folder), folder), as_json=as_json)
    if not as_json:
        output.warn(_ending(folder))


def _facts(parsed: Request, folder: Path) -> output.Facts:
    from triseal import keyplaces, request
    from triseal.developer import home

    return {
        "name": parsed.name,
        "fingerprint": request.fingerprint(parsed.spki),
        "request": str(keyplaces.in_use(folder) / home.REQUEST),
    }
