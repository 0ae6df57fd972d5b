"""The demo as a program. The exit status is 1 if a station or a tampering ends otherwise."""

from __future__ import annotations

import sys
import time

from sealcore.errors import SealError
from triseal import advice
from triseal.demo import scene
from triseal.demo.scene import Scene
from triseal.demo.stations import STATIONS, silent
from triseal.demo.tamperings import TAMPERINGS, Tampering
from triseal.site.cable import installation


def main() -> int:
    """Play the demo. Returns the exit status."""
    begin = time.monotonic()
    try:
        with scene.staged() as played:
            for name, station in STATIONS:
                print(f"{name:<12} {station(played)}", flush=True)
            installation.prepare(played.site, played.board, silent)
            as_due = [_refused(played, tampering) for tampering in TAMPERINGS]
    except Exception as error:
        print(f"triseal: {advice.line(error)}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    print(f"{sum(as_due)} of {len(as_due)} tamperings refused as they should be; {seconds:.0f} s")
    return 0 if all(as_due) else 1


def _refused(played: Scene, tampering: Tampering) -> bool:
    code = "nothing refused it"
    try:
        tampering.act(played)
    except SealError as refusal:
        code = refusal.code
    due = code == tampering.code
    verdict = (
        f"refused by {tampering.by}: {code}" if due else f"FAILED, {tampering.code} was due: {code}"
    )
    print(f"{'tampering':<12} {tampering.what:<42} {verdict}", flush=True)
    return due


if __name__ == "__main__":
    sys.exit(main())
