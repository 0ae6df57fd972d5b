"""`triseal dev`: the commands of a developer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from sealcore import limits, seal
from triseal import files, metadata, package, request
from triseal.certificate import CLOCK_SKEW, SOON
from triseal.cli import options, output
from triseal.developer import executable, home, review, signed
from triseal.developer import sign as signing

app = typer.Typer()

_WHO = "the developer's key"

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
    folder = home_dir or home.default()
    new = options.new_key(algorithm, key, passphrase_file, _WHO, none=no_passphrase)
    output.facts(_facts(home.init(folder, name, new), folder), as_json=as_json)


Executable = Annotated[
    Path,
    typer.Argument(help="A .py or .mpy file, or a folder of such.", metavar="FILE", readable=False),
]
Years = Annotated[
    int,
    typer.Option(
        "--years", min=1, max=signing.MAX_YEARS, help="Validity of the seal.", metavar="YEARS"
    ),
]


@app.command(
    epilog=options.examples(
        "dev sign blink.py --name blink --version 1.0.0 --security-version 1",
        "dev sign app.mpy --name blink --version 1.1 --security-version 1 --metadata blink.json",
        "dev sign blink/ --name blink --version 1.2 --security-version 1",
    )
)
def sign(
    file: Executable,
    name: Annotated[
        str, typer.Option("--name", help="Name of the service: a-z 0-9 . - _", metavar="NAME")
    ],
    version: Annotated[
        str, typer.Option("--version", help="Numbers between dots: 1.2.0.", metavar="VERSION")
    ],
    security_version: SecurityVersion,
    metadata_file: Annotated[
        Path | None,
        typer.Option("--metadata", help="JSON about the service.", metavar="FILE", readable=False),
    ] = None,
    years: Years = signing.DEFAULT_YEARS,
    again: Annotated[
        bool,
        typer.Option("--again", help="Sign, even if this version was signed with other content."),
    ] = False,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Seal an executable and its metadata into a package."""
    found = executable.read(file)
    text = files.read(metadata_file, package.MAX_METADATA) if metadata_file else b"{}"
    release = signing.Release(name, version, security_version, text)
    # These raise before a passphrase is asked for.
    described = metadata.parse(signing.check(release, found.name))
    warnings = review.review(found.packed, described)
    folder = home_dir or home.default()
    developer = home.unlock(folder, options.passphrase(passphrase_file, _WHO))
    validity = signing.years(int(time.time()) - CLOCK_SKEW, years)
    made = signing.sign(developer, release, found.name, found.content, validity)
    signed.remember(folder, made, again=again)
    warnings += _ending(folder)
    target = out or Path(f"{name}-{version}{package.SUFFIX}")
    package.write(target, made)
    facts = {
        "package": str(target),
        "service": name,
        "version": version,
        "security_version": security_version,
        "developer": developer.name,
        "valid_to": output.time(validity.not_after),
        "capabilities": described.capabilities,
    }
    _show(facts, found, warnings, as_json=as_json)


def _ending(folder: Path) -> list[str]:
    """Return warnings about seals that end soon."""
    return [
        f"your seal of {one.service} {one.version} ends {output.time(one.not_after)}:"
        " `triseal dev renew PACKAGE` makes it valid for longer"
        for one in signed.ending(folder, int(time.time()) + SOON)
    ]


def _show(
    facts: output.Facts, found: executable.Executable, warnings: list[str], *, as_json: bool
) -> None:
    """Print what was signed, and from which files."""
    packed = [{"path": path, "size": len(data)} for path, data in found.packed.items()]
    if as_json:
        more = {"packed": packed, "left_out": found.left_out, "warnings": warnings}
        output.facts(dict(facts) | more, as_json=True)
        return
    output.facts(dict(facts) | {"left_out": found.left_out}, as_json=False)
    typer.echo("packed:")
    for one in packed:
        typer.echo(f"  {one['size']:>8} bytes  {output.printable(one['path'])}")
    output.warn(warnings)


@app.command(
    epilog=options.examples(
        "dev renew blink-1.0.0.triseal", "dev renew blink.triseal --years 5 --out renewed.triseal"
    )
)
def renew(
    file: Annotated[
        Path,
        typer.Argument(help="A package that you have sealed.", metavar="PACKAGE", readable=False),
    ],
    years: Years = signing.DEFAULT_YEARS,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Seal the same content and version again, before your seal ends. Then submit the package.

    A Store takes it in place of the newest version, and a site in place of the one that it has.
    """
    before = package.read(file)
    folder = home_dir or home.default()
    developer = home.unlock(folder, options.passphrase(passphrase_file, _WHO))
    validity = signing.years(int(time.time()) - CLOCK_SKEW, years)
    made = signing.renew(developer, before, validity)
    signed.remember(folder, made)
    said = seal.parse(made.developer_seal, seal.DEVELOPER)
    target = out or Path(f"{said.service}-{said.service_version}{package.SUFFIX}")
    package.write(target, made)
    facts = {
        "package": str(target),
        "service": said.service,
        "version": said.service_version,
        "developer": developer.name,
        "valid_to": output.time(validity.not_after),
    }
    output.facts(facts, as_json=as_json)


@app.command("request", epilog=options.examples("dev request", "dev request --out ada.pem"))
def request_(out: options.Out = None, home_dir: options.Home = None) -> None:
    """Write your self-signed request. It proves that you hold your key."""
    pem = home.request_pem(home_dir or home.default())
    if out is None:
        typer.echo(pem.decode(), nl=False)
    else:
        files.write(out, pem)


@app.command(epilog=options.examples("dev show", "dev show --json"))
def show(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Show your name and your key's fingerprint."""
    folder = home_dir or home.default()
    output.facts(_facts(home.show(folder), folder), as_json=as_json)
    if not as_json:
        output.warn(_ending(folder))


def _facts(parsed: request.Request, folder: Path) -> output.Facts:
    return {
        "name": parsed.name,
        "fingerprint": request.fingerprint(parsed.spki),
        "request": str(folder / home.REQUEST),
    }
