"""`triseal site trust-store`, `trust-developer` and `distrust`: the keys that the site trusts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files, pem
from triseal.cli import guarantees, options, output, waiting
from triseal.cli.site_options import Keys, open_to_change_trust
from triseal.cli.site_root import Request, asking, printer

if TYPE_CHECKING:
    from triseal.site.manager import Manager

app = typer.Typer()

Fingerprint = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        help="Fingerprint from the owner; any other key is refused. Use it.",
        metavar="HEX",
    ),
]

LogPolicy = Annotated[
    Path | None,
    typer.Option(
        "--log-policy",
        help="Which logs and witnesses count: a file of c2sp.org/tlog-policy.",
        metavar="FILE",
        readable=False,
    ),
]
MaxAge = Annotated[
    int | None,
    typer.Option(
        "--max-age",
        min=1,
        max=3650,
        help="Days that a checkpoint of the Store may be old; 7 unless given.",
        metavar="DAYS",
    ),
]


@app.command(
    epilog=options.examples(
        "site trust-store store.pem --fingerprint 6f1c...",
        "site trust-store https://shop.example:7490#6f1c...",
    )
)
def trust_store(
    file: Annotated[
        str,
        typer.Argument(
            help="The Store's certificate, PEM or DER; or the URL of its server with #FINGERPRINT.",
            metavar="CERT|URL",
        ),
    ],
    fingerprint: Fingerprint = None,
    log_policy: LogPolicy = None,
    max_age: MaxAge = None,
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Trust a Store. Give the fingerprint that its own `triseal store show` prints.

    If the file names the Store's log, as that of `store show --cert-out` does, the site takes only
    packages of this Store that prove to be in the log. A server must name it.
    """
    from triseal import request  # slow to load, and --help needs none of it
    from triseal.log import endorsement, policy
    from triseal.site import inputs

    data, certificate = _read(file)
    spki = inputs.key_of(certificate)
    request.check_fingerprint(spki, fingerprint)
    signed = endorsement.of_file(data)
    log = endorsement.check(signed, spki) if signed else None
    wanted = b""
    if log_policy:  # read before anything changes
        wanted, _ = files.parsed(
            log_policy, policy.MAX_SIZE, lambda data: (data, policy.parse(data))
        )
    with open_to_change_trust(home_dir, root_passphrase_file, keys or ()) as site, asking(out):
        name, bundle = site.trust_store(certificate, printer(as_json=as_json))
        if wanted:
            site.logs.replace_policy(spki, wanted)
        elif log is not None:
            site.logs.pin(spki, log)
        if max_age is not None:
            site.logs.set_age(spki, max_age * 86400)
        _show_trust(site, name, "store", bundle.version, as_json=as_json)


def _read(file: str) -> tuple[bytes, bytes]:
    """Return what says who a Store is, and its certificate, DER."""
    from triseal.site import inputs

    if file.startswith(options.URLS):
        data = _of_server(file)
        return data, inputs.certificate(data)
    return files.parsed(Path(file), pem.MAX_SIZE, lambda data: (data, inputs.certificate(data)))


def _of_server(url: str) -> bytes:
    """Return what the file of a Store would hold, from its server."""
    from triseal.certificate import opened
    from triseal.log import endorsement
    from triseal.storelink import BadURL, Link

    with Link(url, reading=True) as link:
        if not link.fingerprint:
            raise BadURL(f"{url!r} has no fingerprint")
        about = link.about()
    der, spki = opened(str(about.get("certificate")))
    named = str(about.get("log_endorsement"))
    endorsement.check(named, spki)  # without it, the site would want no proofs of a log
    return f"{endorsement.LINE}{named}\n".encode() + pem.encode(pem.CERTIFICATE, der)


def _kinds(value: str) -> str:
    if not {*value.split(",")} <= {"service", "agent", "firmware"}:
        raise typer.BadParameter("give some of service, agent, firmware, with commas")
    return value


Kinds = Annotated[
    str,
    typer.Option(
        "--kinds",
        help="What the developer may sign: service, agent, firmware; with commas.",
        metavar="KINDS",
        callback=_kinds,
    ),
]


@app.command(
    epilog=options.examples(
        "site trust-developer ada.request.pem --fingerprint 6f1c...",
        "site trust-developer ada.pub.pem --name Ada",
        "site trust-developer ada.request.pem --kinds service,agent",
    )
)
def trust_developer(
    file: Annotated[
        Path,
        typer.Argument(
            help="The developer's request or public key.", metavar="REQUEST|KEY", readable=False
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the developer, as in its seals.", metavar="NAME"),
    ] = None,
    fingerprint: Fingerprint = None,
    kinds: Kinds = "service",
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Trust a developer. Give the fingerprint that the developer's `triseal dev show` prints.

    Somebody who may sign agents can change everything on your nodes. What a developer may sign
    already, she still may sign afterwards.
    """
    from triseal import bundles, request
    from triseal.site import inputs

    may = bundles.kinds_of(kinds.split(","))
    developer = files.parsed(file, pem.MAX_SIZE, lambda data: inputs.developer(data, name))
    request.check_fingerprint(developer.spki, fingerprint)
    with open_to_change_trust(home_dir, root_passphrase_file, keys or ()) as site, asking(out):
        bundle = site.trust_developer(developer.name, developer.spki, printer(as_json=as_json), may)
        _show_trust(site, developer.name, "developer", bundle.version, as_json=as_json)


@app.command(epilog=options.examples("site distrust store 'Example Store'"))
def distrust(
    kind: Annotated[str, typer.Argument(help="store or developer.", metavar="store|developer")],
    name: Annotated[str, typer.Argument(help="The name, as status shows it.", metavar="NAME")],
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Stop trusting a Store or developer. Prints which nodes have the new trust bundle, and
    until when the others can run services of that key."""
    with open_to_change_trust(home_dir, root_passphrase_file, keys or ()) as site, asking(out):
        if kind == "store":
            bundle = site.distrust_store(name, printer(as_json=as_json))
        elif kind == "developer":
            bundle = site.distrust_developer(name, printer(as_json=as_json))
        else:
            raise typer.BadParameter("give store or developer", param_hint="KIND")
        version = bundle.version
        guarantee = waiting.until_confirmed(
            lambda: site.guarantee_of_bundle(version), site.guarantee_of_bundle(version), wait
        )
    facts: dict[str, object] = {"name": name, "bundle_version": version}
    if as_json:
        output.facts(facts | guarantees.facts(guarantee), as_json=True)
    else:
        output.facts(facts, as_json=False)
        guarantees.show(guarantee, as_json=False)


def _show_trust(site: Manager, name: str, kind: str, version: int, *, as_json: bool) -> None:
    from triseal.site.views import overview

    known = overview.all_trusted(site.bundle(), site.known_developers())
    prints = [key.fingerprint for key in known if (key.kind, key.name) == (kind, name)]
    facts = {"name": name, "fingerprints": prints, "bundle_version": version}
    output.facts(facts, as_json=as_json)
