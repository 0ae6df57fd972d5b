"""`triseal site key`: the change from one key of the site to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triseal.choices import ALGORITHMS
from triseal.cli import guarantees, options, output, waiting
from triseal.cli.site_options import RootKeys, open_site, open_to_change_trust
from triseal.cli.site_root import Request, asking

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.rules.guarantee import Guarantee
    from triseal.site.rules.rotation import Progress

app = typer.Typer()
key = typer.Typer(
    help="Change the key of the site, step by step.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(key, name="key")

_ROTATE_SECONDS = 60.0


def _kind(value: str | None) -> str | None:
    if value is not None and value not in ALGORITHMS:
        raise typer.BadParameter(f"give one of {', '.join(ALGORITHMS)}")
    return value


Kind = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        help=f"Kind of the new key: {', '.join(ALGORITHMS)}. Default: that of the present key.",
        metavar="KIND",
        callback=_kind,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Do it although nodes wait: they are cut off, and need a cable to come back.",
    ),
]
Compromised = Annotated[
    bool,
    typer.Option(
        "--compromised",
        help="Somebody has the old key: no step waits for nodes longer than --wait.",
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        "--wait", min=0, help="Seconds that each step waits for nodes.", metavar="SECONDS"
    ),
]


@key.command(epilog=options.examples("site key status", "site key status --json"))
def status(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Show the keys of the site, and what the next step waits for."""
    with open_site(home_dir) as site:
        progress = site.key_progress()
        _show(site, progress, site.guarantee_of_key(progress), as_json=as_json)


@key.command(
    epilog=options.examples(
        "site key prepare",
        "site key prepare --algorithm p256",
        "site key prepare --key 'pkcs11:token=Site;object=slca-2'",
    )
)
def prepare(
    algorithm: Kind = None,
    uri: options.KeyURI = "",
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    roots: RootKeys = None,
    passphrase_file: options.PassphraseFile = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make the next key, and tell all nodes of it.

    It has the passphrase of the present key, and signs nothing before `activate`. Prints which
    nodes know it."""
    with (
        asking(out),
        open_to_change_trust(home_dir, root_passphrase_file, roots or (), passphrase_file) as site,
    ):
        site.prepare_key(algorithm or "", uri)
        _wait_and_show(site, wait, as_json=as_json)


@key.command(epilog=options.examples("site key cancel"))
def cancel(
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    roots: RootKeys = None,
    passphrase_file: options.PassphraseFile = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give up a prepared key, which has signed nothing yet."""
    with (
        asking(out),
        open_to_change_trust(home_dir, root_passphrase_file, roots or (), passphrase_file) as site,
    ):
        site.cancel_key()
        _wait_and_show(site, wait, as_json=as_json)


@key.command(epilog=options.examples("site key activate"))
def activate(
    force: Force = False,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Let the prepared key sign from now on. Seals of the old one live to their end.

    Prints which nodes hold no seal of the old key any more."""
    with open_site(home_dir, passphrase_file) as site:
        site.activate_key(force=force)
        _wait_and_show(site, wait, as_json=as_json)


@key.command(epilog=options.examples("site key taint", "site key taint --wait 60"))
def taint(
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Let all nodes replace the seals of the old key now. Prints which have done so."""
    with open_site(home_dir, passphrase_file) as site:
        site.taint_key()
        _wait_and_show(site, wait, as_json=as_json)


@key.command(epilog=options.examples("site key revoke"))
def revoke(
    force: Force = False,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    roots: RootKeys = None,
    passphrase_file: options.PassphraseFile = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Remove the old key from the trust bundle. Prints which nodes refuse it already."""
    with (
        asking(out),
        open_to_change_trust(home_dir, root_passphrase_file, roots or (), passphrase_file) as site,
    ):
        site.revoke_key(force=force)
        _wait_and_show(site, wait, as_json=as_json)


@key.command(
    epilog=options.examples(
        "site key rotate", "site key rotate --wait 600", "site key rotate --compromised"
    )
)
def rotate(
    compromised: Compromised = False,
    algorithm: Kind = None,
    uri: options.KeyURI = "",
    wait: Patience = _ROTATE_SECONDS,
    roots: RootKeys = None,
    passphrase_file: options.PassphraseFile = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Do all steps that are left, one after the other.

    If nodes still wait when --wait is over, it stops before the next step. Repeat the command to go
    on."""
    from triseal.site import keychange

    with (
        asking(out),
        open_to_change_trust(home_dir, root_passphrase_file, roots or (), passphrase_file) as site,
    ):
        total = len(site.key_waits_for())
        with waiting.shown("waits for", total) as report:
            for step in keychange.rotate(
                site,
                wait,
                force=compromised,
                algorithm=algorithm or "",
                uri=uri,
                waits=lambda left: report(max(0, total - left)),
            ):
                if not as_json and step != "revoke":
                    _say(site, step)
        _wait_and_show(site, wait, as_json=as_json)


@key.command(epilog=options.examples("site key renew"))
def renew(
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Let the certificate of the active key end 20 years from now.

    The key stays the same, and nodes need nothing. It works also after the end."""
    with open_site(home_dir, passphrase_file) as site:
        end = site.renew_certificate()
        number = site.issuer.term.number
        output.facts({"number": number, "not_after": output.time(end)}, as_json=as_json)


@key.command(epilog=options.examples("site key rehearse", "site key rehearse --nodes 5"))
def rehearse(
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, help="Number of virtual nodes.", metavar="N")
    ] = 2,
    as_json: options.Json = False,
) -> None:
    """Change the key of a temporary site with virtual nodes.

    Your site is not touched. Fails if a service stops."""
    from triseal.demo import rehearsal

    done = rehearsal.play(nodes, (lambda _: None) if as_json else typer.echo)
    if as_json:
        output.facts({"nodes": done.nodes, "seconds": done.seconds}, as_json=True)


def _say(site: Manager, step: str) -> None:
    progress = site.key_progress()
    typer.echo(f"{_DONE[step]}; {_sentence(site.guarantee_of_key(progress), progress.next)}")


def _wait_and_show(site: Manager, seconds: float, *, as_json: bool) -> None:
    progress = site.key_progress()
    guarantee = waiting.until_confirmed(
        lambda: site.guarantee_of_key(progress), site.guarantee_of_key(progress), seconds
    )
    _show(site, progress, guarantee, as_json=as_json)


_DONE = {
    "prepare": "prepared a key",
    "activate": "the new key signs",
    "taint": "nodes replace the seals of the old key",
    "revoke": "the old key is revoked",
}
_WHAT = {
    "activate": "nodes that know the prepared key",
    "taint": "nodes without a seal of the old key",
    "revoke": "nodes without a seal of the old key",
    "prepare": "nodes that refuse revoked keys",
}


def _sentence(guarantee: Guarantee, following: str) -> str:
    return f"{_WHAT[following]}: {guarantees.sentence(guarantee)}"


def _show(site: Manager, progress: Progress, guarantee: Guarantee, *, as_json: bool) -> None:
    keys = site.site_keys()
    facts: dict[str, object] = {"next": progress.next, "waits_for": site.key_waits_for()}
    if as_json:
        output.facts(facts | {"keys": keys} | guarantees.facts(guarantee), as_json=True)
        return
    columns = ("number", "state", "algorithm", "fingerprint", "file", "not_after")
    output.table(keys, columns, as_json=False, empty="")
    typer.echo()
    typer.echo(_sentence(guarantee, progress.next))
    guarantees.show_nodes(guarantee)
    output.facts(facts, as_json=False)
