"""Make all boards on a hub nodes: python provision.py HOST:PORT.

HOST:PORT is the site's server, as the boards see it. Run the script again to complete what a loose
cable interrupted: a board's name is made of its own number, and files that are there stay.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from boards import addresses
from boards.board import Board
from triseal import advice, ports
from triseal.site.fleet import REFUSALS, Fleet

settings = {"server": addresses.parse(sys.argv[1])}


def provision(port: str) -> bool:
    """Provision the board at a port, and print what came of it."""
    try:
        with Board(port) as board:
            node = f"node-{board.facts().unique_id[-8:]}"
        status = site.provision(port, node, settings)
    except REFUSALS as error:
        print(f"{port}: {advice.line(error)}")
        return False
    print(f"{port}: is {node}, {status.heap_free} bytes of heap are free")
    return True


with Fleet() as site, ThreadPoolExecutor(4) as pool:
    boards = [port for port, kind in ports.found() if "USB" in kind or "virtual" in kind]
    done = list(pool.map(provision, boards))
sys.exit(0 if all(done) else 1)
