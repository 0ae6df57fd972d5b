"""`triseal site label`, `rules` and `remove-rule`: nodes are chosen by what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import guarantees, options, output, waiting
from triseal.cli.site_options import NodeName, ServiceName, open_site

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.rules.deploying import Applied

app = typer.Typer()

_COLUMNS = ("service", "where", "nodes", "lacking")


@app.command(
    epilog=options.examples(
        "site label kitchen floor=2 room=kitchen", "site label kitchen floor-", "site label kitchen"
    )
)
def label(
    node: NodeName,
    given: Annotated[
        list[str] | None,
        typer.Argument(
            help="KEY=VALUE gives a label, KEY- takes it away. None shows the labels.",
            metavar="[KEY=VALUE|KEY-]...",
        ),
    ] = None,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give labels to a node, for selectors.

    Prints all its labels, and what rules give to the node or take from it for this reason.
    """
    from triseal.site.rules import selector  # slow to load, and --help needs none of it

    wanted = selector.parse_labels(given or ())
    with open_site(home_dir) as site:
        has, done = site.label(node, wanted)
        facts: dict[str, object] = {"node": node, "labels": has}
        output_applied(site, facts, done, wait, as_json=as_json)


def output_applied(
    site: Manager, facts: dict[str, object], done: Applied, seconds: float, *, as_json: bool
) -> None:
    """Wait for what rules have changed, and print it with its bound.

    Args:
        site: the site.
        facts: what to print before it.
        done: what the rules have changed.
        seconds: time to wait at most.
        as_json: whether to print JSON.
    """
    places = {
        "given": [f"{place.service} on {place.node}" for place in done.given],
        "taken": [f"{place.service} on {place.node}" for place in done.taken],
        "no_room": [f"{place.service} on {place.node}" for place in done.unable],
    }
    found = waiting.until_confirmed(
        lambda: site.guarantee_of(done), site.guarantee_of(done), seconds
    )
    if as_json:
        output.facts(facts | places | guarantees.facts(found), as_json=True)
        return
    output.facts(facts | {name: names for name, names in places.items() if names}, as_json=False)
    if done.changed:
        guarantees.show(found, as_json=False)


@app.command(epilog=options.examples("site rules", "site rules --json"))
def rules(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """List the rules of `site deploy --where`.

    `lacking` names nodes that match and have as many services as a node can have.
    """
    with open_site(home_dir) as site:
        rows = [
            {
                "service": one.rule.service,
                "where": one.rule.selector,
                "nodes": one.nodes,
                "lacking": one.lacking,
                "added_at": output.time(one.rule.added_at),
            }
            for one in site.rules()
        ]
    output.table(rows, _COLUMNS, as_json=as_json, empty="no rules")


@app.command(epilog=options.examples("site remove-rule thermo floor=2"))
def remove_rule(
    service: ServiceName,
    where: Annotated[str, typer.Argument(help="The selector of the rule.", metavar="SELECTOR")],
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """End a rule. Nodes that have the service by this rule alone lose it.

    Prints when it has stopped there.
    """
    with open_site(home_dir) as site:
        done = site.remove_rule(service, where)
        facts: dict[str, object] = {"service": service, "removed": where}
        output_applied(site, facts, done, wait, as_json=as_json)
