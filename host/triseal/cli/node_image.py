"""`triseal node image`: one file that makes a board a node of this site, for production lines."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Annotated

import typer

from boards import chips, image, imagefile, stage
from boards.chips import Chip, Region
from sealcore.bundle import TrustBundle
from triseal import files
from triseal.cli import options, output
from triseal.cli.node_flash import BoardName, FirmwareFile, Sha256
from triseal.cli.site import open_site

EPILOG = options.examples(
    "node image --board esp32 --firmware ESP32_GENERIC.bin --node kitchen --out kitchen.bin",
    "node image --board rp2040 --firmware RPI_PICO_W.uf2 --node hall --out hall.uf2",
)
_PLACE = re.compile(r"(0x[0-9a-fA-F]+|\d+):(0x[0-9a-fA-F]+|\d+)")


def image_(
    board: BoardName,
    firmware_file: FirmwareFile,
    node: Annotated[str, typer.Option("--node", help="The node that the board becomes.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE")],
    sha256: Sha256 = "",
    filesystem: Annotated[
        str,
        typer.Option(
            "--filesystem",
            help="Where the firmware looks for it, in octets; by default found out.",
            metavar="START:SIZE",
        ),
    ] = "",
    romfs: Annotated[
        Path | None,
        typer.Option("--romfs", help="Write the agent as a ROMFS image as well.", metavar="FILE"),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="Write a manifest.py for freezing.", metavar="FILE"),
    ] = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make one file to flash: MicroPython, agent, trust bundle, settings and a one-time token."""
    chip = chips.named(board)
    data = imagefile.load(firmware_file, chip, sha256)
    with open_site(home_dir, passphrase_file) as site:
        site.check_node(node)
        bundle = site.bundle()
    made = image.build(chip, data, _contents(chip, node, bundle), _place(filesystem))
    files.write(out, made.data, 0o600)  # it holds the token
    if romfs is not None:
        files.write(romfs, image.romfs(chip))
    if manifest is not None:
        bases = {name: str(stage.package_folder(name).parent) for name in stage.PACKAGES}
        files.write(manifest, image.manifest(bases).encode())
    facts = {
        "image": str(out),
        "octets": len(made.data),
        "node": node,
        "filesystem": f"{made.region.start:#x}:{made.region.size:#x}",
        "bundle_version": bundle.version,
        "begin": f"{chip.begin:#x}",
    }
    output.facts(facts, as_json=as_json)


def _contents(chip: Chip, node: str, bundle: TrustBundle) -> dict[str, bytes]:
    settings = {"node": node, "site": bundle.site, "token": secrets.token_hex(16)}
    return {
        **image.agent(chip),
        "/triseal/bundle.der": bytes(bundle.der),
        "/triseal/settings.json": json.dumps(settings).encode(),
    }


def _place(text: str) -> Region | None:
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise typer.BadParameter("START:SIZE in octets", param_hint="--filesystem")
    return Region(*(int(part, 0) for part in found.groups()))
