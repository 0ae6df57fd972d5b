"""`triseal site rollout`: move nodes to a held version, in waves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.choices import SOAK
from triseal.cli import guarantees, options, waiting
from triseal.cli.site_options import ServiceName, node_option, open_site, where_option

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.rules.guarantee import Guarantee
    from triseal.site.views.rollout_status import Watch

app = typer.Typer()

_SHARE = re.compile(r"([1-9][0-9]?|100)%?", re.ASCII)


def _share(value: str | None) -> str | None:
    if value is not None and not _SHARE.fullmatch(value):
        raise typer.BadParameter("give 1% to 100%")
    return value


Nodes = Annotated[
    list[str] | None,
    node_option("Move this node; may be repeated."),
]
Where = Annotated[str | None, where_option("Move the nodes of the service")]
Share = Annotated[
    str | None,
    typer.Option(
        "--share",
        help="Move nodes until this share of the enrolled nodes has it; first by name.",
        metavar="PERCENT",
        callback=_share,
    ),
]
Everywhere = Annotated[bool, typer.Option("--all", help="Move all nodes, and all later ones.")]
Back = Annotated[
    bool,
    typer.Option(
        "--back",
        help="Move back to the held version: --node, or --all that were moved on. A node that took"
        " a higher security version can't go back: it refuses the lower one.",
    ),
]
Version = Annotated[
    str, typer.Option("--version", help="Refuse if the newest is another one.", metavar="VERSION")
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        help="Seconds to wait until the nodes run it; the command fails if one does not.",
        metavar="SECONDS",
    ),
]
Soak = Annotated[
    float,
    typer.Option(
        "--soak",
        min=0,
        help="With --wait: seconds for which it must then run on all of them without a restart.",
        metavar="SECONDS",
    ),
]


@app.command(
    epilog=options.examples(
        "site add-service thermo-2.0.triseal --hold",
        "site rollout thermo --node kitchen --wait 120",
        "site rollout thermo --where floor=2 --wait 120",
        "site rollout thermo --share 10% --wait 120 && triseal site rollout thermo --all",
        "site rollout thermo --back --node kitchen",
    )
)
def rollout(
    service: ServiceName,
    node: Nodes = None,
    where: Where = None,
    share: Share = None,
    everywhere: Everywhere = False,
    back: Back = False,
    version: Version = "",
    wait: Wait = 0,
    soak: Soak = SOAK,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Move nodes to the newest version, which was held back. Prints when they have it.

    The version was added with --hold. With --wait the command ends with status 1 as soon as a node
    refuses the version, or it fails or restarts there, or the node is reset; it says where and why.
    It ends with status 0 only after the version has run on all these nodes for the time of --soak.
    """
    if sum((bool(node), where is not None, share is not None, everywhere)) != 1:
        raise typer.BadParameter("give one of them", param_hint="--node, --where, --share, --all")
    if back and (share is not None or version):
        raise typer.BadParameter("not allowed with --share or --version", param_hint="--back")
    from triseal.site.views.rollout_status import Watch  # slow to load, and --help needs none of it

    with open_site(home_dir) as site:
        on = None if everywhere else node
        if where is not None:
            on = site.matching_with(service, where)
        if share is not None:
            on = site.wave(service, int(share.rstrip("%")))
        watch = Watch(site, service)
        guarantee = (
            site.roll_back(service, on) if back else site.rollout(service, on, version=version)
        )
        guarantee = _waited(site, watch, service, guarantee, (wait, soak))
    guarantees.show(guarantee, as_json=as_json)


def _waited(
    site: Manager, watch: Watch, service: str, guarantee: Guarantee, times: tuple[float, float]
) -> Guarantee:
    """Wait until the nodes run it, and return the guarantee then. Raises NotConfirmed."""
    seconds, soak = times
    if not seconds or not guarantee.nodes:
        return guarantee
    with waiting.shown("running on", len(guarantee.nodes)) as report:
        watch.wait(guarantee.nodes, seconds, soak, report)
    return site.guarantee_at(service, guarantee.nodes)
