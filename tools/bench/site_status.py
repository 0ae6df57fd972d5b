"""CPU time of `triseal site status` for a large site."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from bench import Figure
from bench._site import Site
from sealcore import seal
from triseal import database
from triseal.signer import KeySigner, generate
from triseal.site.records import reports, services, tables
from triseal.site.records.placement import Place

NODES = 1000
SERVICES = 30
_SEALS = 3  # of each place: the ledger has older ones too
_REPORT_EVERY = 10  # every so many places have reported an error
_SOURCE = b"async def main(ctx):\n    pass\n"


def measure() -> Iterator[Figure]:
    """Yield `site.status.30k`: CPU seconds of `triseal site status` for 30,000 places.

    The baseline is the same command for a site without nodes.

    Raises:
        RuntimeError: the command failed, or printed other places.
    """
    with tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder:
        with Site(Path(folder), "p256") as site:
            status(site.home, 0)  # loads all modules once, so that their bytecode is kept
            empty = min(status(site.home, 0) for _ in range(3))
            fill(site, NODES, SERVICES)
        spent = min(status(site.home, NODES * SERVICES) for _ in range(3))
    yield Figure("site.status.30k", spent, "s", empty)


def status(site_home: Path, places: int) -> float:
    """Return the CPU seconds of one `triseal site status`.

    Args:
        site_home: the site's folder.
        places: number of lines that it must print about places.
    """
    before = _spent()
    command = [sys.executable, "-m", "triseal", "site", "status", "--home", str(site_home)]
    path = os.pathsep.join(part for part in sys.path if part)
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    found = done.stdout.count("\nnode")
    if done.returncode or found != places + (places > 0):  # one more for the heading
        raise RuntimeError(f"status {done.returncode}, {found} places: {done.stderr}")
    return _spent() - before


def fill(site: Site, nodes: int, running: int) -> None:
    """Add nodes that run services, written into the database as if they had renewed their seals.

    Args:
        site: the site.
        nodes: number of nodes.
        running: number of services, all of which run on every node.
    """
    names = [f"service{number}" for number in range(running)]
    for name in names:
        site.add_service(name, _SOURCE)
        site.manager.grant(name, ["log"])
    spki = KeySigner(generate("p256")).spki
    first = _name(0)
    with database.writing(site.manager.engine) as connection:
        digests = {name: services.get(connection, name).package for name in names}
        templates = {
            name: site.manager.issuer.prepare(
                first,
                spki,
                seal.parse(services.load(connection, digest).store_seal, seal.STORE),
                digest,
                ("log",),
            ).tbs
            for name, digest in digests.items()
        }
        rows = [
            {"name": _name(n), "spki": spki, "added_at": site.now, "heard_at": site.now}
            for n in range(nodes)
        ]
        connection.execute(tables.nodes.insert(), rows)
        for number in range(nodes):
            node = _name(number)
            # All names have one length, so that nothing else differs in the templates.
            tbs = {
                name: made.replace(first.encode(), node.encode())
                for name, made in templates.items()
            }
            _run(connection, [Place(node, name) for name in names], tbs, site.now)


def _name(number: int) -> str:
    return f"node{number:04}"


def _run(connection: Connection, places: list[Place], tbs: dict[str, bytes], now: int) -> None:
    """Write one node's assignments, seals, state and reports."""
    base = [{"node": place.node, "service": place.service} for place in places]
    assigned = [{**row, "assigned_at": now} for row in base]
    connection.execute(tables.assignments.insert(), assigned)
    digests = [os.urandom(32) for _ in base]
    templates = [
        {**row, "digest": digest, "tbs": tbs[row["service"]]}
        for row, digest in zip(base, digests, strict=True)
    ]
    connection.execute(tables.templates.insert(), templates)
    told = []
    for row, digest in zip(base, digests, strict=True):
        sealed = [
            {
                **row,
                "serial": os.urandom(16),
                "template": digest,
                "not_before": now - 4000 * age,
                "not_after": now - 4000 * age + 5000,
                "signature": os.urandom(71),
            }
            for age in range(_SEALS)
        ]
        connection.execute(tables.seals.insert(), sealed)
        told.append({**row, "serial": sealed[0]["serial"], "state": "running", "told_at": now})
    connection.execute(tables.holdings.insert(), [{**row, "restarts": 0} for row in told])
    for place in places[::_REPORT_EVERY]:
        reports.keep(connection, place, "rollback", "1 < 2", [], now - 1)


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
