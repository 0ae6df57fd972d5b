"""Roll a new version out in waves, and back if it fails: python rollout.py PACKAGE [SOAK]."""

import sys
from pathlib import Path

from triseal import advice
from triseal.site.fleet import REFUSALS, Fleet

soak = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0  # seconds without a restart

with Fleet() as site:
    service = site.add_package(Path(sys.argv[1]), hold=True)
    (new,) = [facts.version for facts in site.services() if facts.name == service]
    try:
        for share in (10, 33, 100):
            wave = site.wave(service, share)
            site.try_out(service, wave, seconds=120, soak=soak, version=new)
            print(f"{new} runs on {', '.join(wave)}")
        site.rollout(service, version=new)  # and on nodes that come later
    except REFUSALS as error:
        print(f"stopped: {advice.line(error)}")
        try:
            site.roll_back(service)
        except REFUSALS as barred:
            sys.exit(advice.line(barred))
        sys.exit("taken back")
