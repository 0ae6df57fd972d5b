"""`triseal site trust review`: what a Store has told, and the change of trust that follows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files
from triseal.cli import guarantees, options, output, waiting
from triseal.cli.site_options import Keys, open_to_change_trust
from triseal.cli.site_root import Request, asking, printer

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.rules.review import Review, Running
    from triseal.site.rules.trust import Difference

app = typer.Typer()
trust = typer.Typer(help="Follow what Stores have told.", no_args_is_help=True)
app.add_typer(trust, name="trust")


File = Annotated[
    Path,
    typer.Argument(
        help="A file of `triseal store export-notices`.", metavar="FILE", readable=False
    ),
]
Apply = Annotated[
    bool,
    typer.Option("--apply", help="Make the trust bundle that follows; without, only show it."),
]
Fingerprints = Annotated[
    list[str] | None,
    typer.Option(
        "--fingerprint",
        help="Of a developer's new key that the old one has not signed, as the developer gives it; "
        "may be repeated.",
        metavar="HEX",
    ),
]
Drop = Annotated[
    bool,
    typer.Option(
        "--drop",
        help="Drop also keys that services here need, and those of suspended developers: these "
        "services stop.",
    ),
]
Anew = Annotated[
    bool,
    typer.Option("--anew", help="Take the Store's history anew, after it has restored a backup."),
]


@trust.command(
    epilog=options.examples(
        "site trust review shop.notices",
        "site trust review shop.notices --apply",
        "site trust review shop.notices --apply --fingerprint 6f1c...",
    )
)
def review(
    file: File,
    apply: Apply = False,
    fingerprints: Fingerprints = None,
    drop: Drop = False,
    anew: Anew = False,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    out: Request = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show what a Store has decided, and what that means for services that run here.

    With --apply, developers' and the Store's new keys are trusted, and replaced ones are dropped
    when no service here needs them any more: add the package that is sealed again, and repeat the
    command. `triseal site status` names what runs of a withdrawn release or a suspended developer.
    """
    from triseal import notices  # slow to load, and --help needs none of it

    parsed = files.parsed(file, 2 * notices.MAX_SIZE, notices.parse)
    with open_to_change_trust(home_dir, root_passphrase_file, keys or ()) as site, asking(out):
        made = site.review(parsed, anew=anew)
        facts = _facts(made)
        if not as_json:
            _show(facts)
        if apply:
            facts |= _follow(site, made, fingerprints or [], wait, drop=drop, as_json=as_json)
    if as_json:
        output.facts(facts, as_json=True)


def _follow(
    site: Manager, made: Review, fingerprints: list[str], wait: float, *, drop: bool, as_json: bool
) -> dict[str, object]:
    """Change the trust as a review says; print the changes, and where they are in force by when."""
    changed: list[str] = []

    def show(differences: list[Difference]) -> None:
        changed.extend(f"the next trust bundle {one}" for one in differences)
        printer(as_json=as_json)(differences)

    version = site.follow(made, fingerprints, show, drop=drop).version
    facts: dict[str, object] = {"bundle_version": version, "changed": changed}
    if not changed:
        if not as_json:
            typer.echo("the trust stays as it is")
        return facts
    guarantee = waiting.until_confirmed(
        lambda: site.guarantee_of_bundle(version), site.guarantee_of_bundle(version), wait
    )
    if not as_json:
        output.facts({"bundle_version": version}, as_json=False)
        guarantees.show(guarantee, as_json=False)
    return facts | guarantees.facts(guarantee)


def _show(facts: dict[str, object]) -> None:
    """Print a review for people: the Store's decisions as a table, the rest as facts."""
    rest = {name: value for name, value in facts.items() if name != "told"}
    rows = facts["told"]
    if isinstance(rows, list) and rows:
        columns = ("number", "time", "kind", "name", "detail", "reason")
        output.table(rows, columns, as_json=False, empty="")
        typer.echo()
    output.facts(rest, as_json=False)


def _facts(made: Review) -> dict[str, object]:
    """Return what a review says, for people and programs."""
    from triseal.describestore import of_change
    from triseal.request import fingerprint

    keys = [*made.developers, *made.stores]
    return {
        "store": made.store,
        "last_change": made.last,
        "told": [of_change(one) for one in made.new],
        "new_keys": [
            f"{one.name}: {fingerprint(one.spki)}"
            + ("" if one.proven else " (the old key has not signed it: compare the fingerprint)")
            for one in keys
        ],
        "old_keys": [
            f"{one.name}: {fingerprint(one.spki)}"
            + (f" (needed by {', '.join(one.needed_by)})" if one.needed_by else "")
            for one in made.old
        ],
        "suspended": [_running(name, runs) for name, runs in made.suspended.items()],
        "withdrawn": [f"{one} on {', '.join(one.nodes)}" for one in made.withdrawn],
        "root": "unknown: trust the Store's certificate again"
        if made.root_unknown
        else _root(made),
    }


def _root(made: Review) -> str | None:
    if made.root_unknown:
        return "unknown: trust the Store's certificate again"
    return made.listed.root_mark.hex() if made.listed else None


def _running(name: str, runs: list[Running]) -> str:
    if not runs:
        return f"{name}: nothing of this developer runs here"
    return f"{name}: " + ", ".join(f"{one} on {', '.join(one.nodes)}" for one in runs)
