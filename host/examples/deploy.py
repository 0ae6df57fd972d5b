"""Bring a new service to all nodes, one by one: python deploy.py PACKAGE GRANT..."""

import sys
from pathlib import Path

from triseal import advice
from triseal.site.fleet import REFUSALS, Fleet

with Fleet() as site:
    try:
        service = site.add_package(Path(sys.argv[1]))
        site.grant(service, sys.argv[2:])
        for node in [node.name for node in site.nodes() if node.state == "enrolled"]:
            site.assign(node, service)
            site.await_running(service, [node], seconds=120, soak=5)
            print(f"{service} runs on {node}")
    except REFUSALS as error:
        sys.exit(advice.line(error))
