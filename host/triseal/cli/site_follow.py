"""`triseal site follow` and `unfollow`: new releases are taken by the site itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import options, output
from triseal.cli.site_options import open_site

if TYPE_CHECKING:
    from triseal.site.following import Follow

app = typer.Typer()

_COLUMNS = ("service", "auto", "version", "state", "checked_at", "trouble")


def _auto(value: str) -> str:
    if value not in ("hold", "rollout"):
        raise typer.BadParameter("give hold or rollout")
    return value


Where = Annotated[
    str | None,
    typer.Argument(help="URL of the Store or of a mirror, or its folder.", metavar="STORE"),
]
Service = Annotated[str | None, typer.Argument(help="Name of the service.", metavar="SERVICE")]
Auto = Annotated[
    str,
    typer.Option(
        "--auto",
        help="hold: keep nodes at their version until `site rollout`. rollout: move them in"
        " waves of 10, 33 and 100 percent, and back if it fails.",
        metavar="hold|rollout",
        callback=_auto,
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Ask all Stores now; for a site without a server.")
]


@app.command(
    epilog=options.examples(
        "site follow https://shop.example:7490 thermo",
        "site follow https://shop.example:7490 thermo --auto rollout",
        "site follow --check",
        "site follow",
    )
)
def follow(
    store: Where = None,
    service: Service = None,
    auto: Auto = "hold",
    check: Check = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take new releases of a service as they come. Without arguments: list what is followed.

    The site's server asks the Store every 10 minutes. It takes a release only if the Store's page
    is what its log says. `site status` names what runs of a release that the Store has withdrawn or
    holds back.
    """
    if (store is None) != (service is None):
        raise typer.BadParameter("give both, or none", param_hint="STORE SERVICE")
    if check and store is not None:
        raise typer.BadParameter("not allowed with STORE", param_hint="--check")
    from triseal.site import following, home  # slow to load, and --help needs none of it
    from triseal.site.following import Follow, Follows

    follows = Follows(home_dir or home.default())
    if store is not None and service is not None:
        place = store if store.startswith(options.URLS) else str(Path(store).absolute())
        with open_site(home_dir) as site:
            known = following.begin(site, follows, Follow(service, place, auto))
        output.facts(_facts(known), as_json=as_json)
        return
    if check:
        from triseal.site.server import follower

        with open_site(home_dir) as site:
            found = follower.step(site, follows, at_once=True)
    else:
        found = follows.every()
    output.table(
        [_facts(one) for one in found], _COLUMNS, as_json=as_json, empty="follows no service"
    )
    if check and any(one.trouble for one in found):
        raise typer.Exit(1)


@app.command(epilog=options.examples("site unfollow thermo"))
def unfollow(
    service: Annotated[str, typer.Argument(help="Name of the service.", metavar="SERVICE")],
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take no new releases of a service by itself any more. What runs stays as it is."""
    from triseal.site import home
    from triseal.site.following import Follows

    follows = Follows(home_dir or home.default())
    with follows.alone():
        follows.drop(service)
    output.facts({"service": service, "followed": False}, as_json=as_json)


def _facts(follow: Follow) -> dict[str, object]:
    return {
        "service": follow.service,
        "auto": follow.auto,
        "version": follow.version or None,
        "state": follow.state or None,
        "checked_at": output.time(follow.checked or None),
        "trouble": follow.trouble or None,
        "store": follow.store,
        "witness": follow.witness or None,
    }
