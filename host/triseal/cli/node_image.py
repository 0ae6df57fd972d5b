"""`triseal node image`: one file that makes a board a node of the site, for production lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from boards.flashing import chips, image, imagefile
from boards.flashing.chips import Chip, Region
from sealcore import renewal
from sealcore.bundle import TrustBundle
from triseal import files
from triseal.cli import node_settings, options, output
from triseal.cli.node_flash import BoardName, FirmwareFile, Sha256
from triseal.cli.site_options import node_option, open_site

EPILOG = options.examples(
    "node image --board esp32 --firmware ESP32_GENERIC.bin --node kitchen -o kitchen.bin "
    "--server 192.0.2.7:7443 --wifi plant",
    "node image --board rp2040 --firmware RPI_PICO.uf2 --node hall --out hall.uf2",
)
_DAY = 86400
_TOKEN_DAYS = 90
_PLACE = re.compile(r"(0x[0-9a-fA-F]+|\d+):(0x[0-9a-fA-F]+|\d+)")

NodeName = Annotated[
    str,
    node_option("Name of the node that the board becomes."),
]
Filesystem = Annotated[
    str,
    typer.Option(
        "--filesystem",
        help="Where the firmware expects the file system, in bytes; found out by default.",
        metavar="START:SIZE",
    ),
]
Romfs = Annotated[
    Path | None,
    typer.Option(
        "--romfs", help="Write the agent also as a ROMFS image.", metavar="FILE", readable=False
    ),
]
TokenDays = Annotated[
    int,
    typer.Option(
        "--token-days",
        min=1,
        max=3650,
        help="Days within which the board must enrol.",
        metavar="DAYS",
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Accept a new key: this board replaces the node's board.")
]

Out = Annotated[
    Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE", readable=False)
]


def image_(
    board: BoardName,
    firmware_file: FirmwareFile,
    node: NodeName,
    out: Out,
    sha256: Sha256 = "",
    filesystem: Filesystem = "",
    romfs: Romfs = None,
    server: node_settings.Server = None,
    wifi: node_settings.Wifi = None,
    grace: node_settings.Grace = 0,
    watchdog: node_settings.Watchdog = None,
    no_watchdog: node_settings.NoWatchdog = False,
    spread: node_settings.Spread = renewal.CONNECT_SPREAD,
    trial: node_settings.Trial = node_settings.DEFAULT_TRIAL,
    config: node_settings.Config = None,
    token_days: TokenDays = _TOKEN_DAYS,
    replace: Replace = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make one file to flash. It holds MicroPython, agent, trust bundle, settings and a token.

    The board uses the token to enrol, by itself at its server or over its cable (`triseal node
    enrol`). A new image of a node makes older ones void.
    """
    from triseal.site.records import tokens  # the database is slow to load, and --help needs none

    dog = 0 if no_watchdog else watchdog
    settings = node_settings.of(grace, config, server, wifi, dog, spread, trial)
    place, chip = _place(filesystem), chips.named(board)
    data = imagefile.load(firmware_file, chip, sha256)
    with open_site(home_dir) as site:
        site.check_free(node, replace=replace)
        bundle, token = site.bundle(), tokens.draw()
        named = {"node": node, "site": bundle.site, "token": token.hex(), **settings}
        made = image.build(chip, data, _contents(chip, data, bundle, named), place)
        # It holds the token. Files come first: a full disk must not make older images void.
        files.write(out, made.data, files.PRIVATE)
        if romfs is not None:
            files.write(romfs, image.romfs(chip))
        site.expect(node, token, token_days * _DAY, grace=grace, replace=replace)
    facts = {
        "image": str(out),
        "bytes": len(made.data),
        "node": node,
        "bundle_version": bundle.version,
        **_places(chip, made.region),
    }
    output.facts(facts, as_json=as_json)


def _places(chip: Chip, files_at: Region) -> dict[str, str]:
    return {
        "filesystem": f"{files_at.start:#x}:{files_at.size:#x}",
        "begin": f"{chip.begin:#x}",
    }


def _contents(
    chip: Chip, firmware: bytes, bundle: TrustBundle, settings: dict[str, Any]
) -> dict[str, bytes]:
    from triseal.site.rules import watchdog  # the database is slow to load, see above

    chosen = node_settings.with_password(watchdog.chosen(chip.name, settings))
    return {
        **image.agent(chip, firmware),
        "/triseal/bundle.der": bytes(bundle.der),
        "/triseal/settings.json": json.dumps(chosen).encode(),
    }


def _place(text: str) -> Region | None:
    if not text:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise typer.BadParameter("give START:SIZE in bytes", param_hint="--filesystem")
    return Region(*(int(part, 0) for part in match.groups()))
