"""What a board runs for the bench `node_agent`: renewals of one service, and the bare minimum.

Sent to the REPL of a node whose agent does not run; SERVICE, ROUNDS and NOW stand for values.
"""

import gc
import hashlib
import time

from nlsm import clock, memory

memory.check()

from nlsm import installer, keystore, service, starter, trust  # noqa: E402
from sealcore import keys  # noqa: E402

FOLDER = keystore.SERVICES + "/" + "SERVICE"


class Node:
    """As much of an agent as a renewal wants."""

    clock = clock.Clock(NOW)  # type: ignore[name-defined]  # noqa: F821
    link = runner = None


Node.clock.trusted = True
one = service.Service("SERVICE")
assert starter.admit(Node, one), one
one.state = "running"
fresh = keystore.read(FOLDER + "/site.der")
names = "site.der", "store.der", "developer.der"
signatures = [int.from_bytes(keystore.read(FOLDER + "/" + name)[-256:], "big") for name in names]
modulus = keys.parse(trust.load().site_keys[0][1]).n


def renew():
    installer.renew(Node, one, fresh)


def bare():
    for signature in signatures:
        pow(signature, 65537, modulus)
    digest = hashlib.sha256()
    block = memoryview(bytearray(512))
    with open(FOLDER + "/app.py", "rb") as file:
        count = file.readinto(block)
        while count:
            digest.update(block[:count])
            count = file.readinto(block)


def elapsed(action):
    gc.collect()
    begin = time.ticks_us()
    action()
    return time.ticks_diff(time.ticks_us(), begin)


for _ in range(ROUNDS):  # type: ignore[name-defined]  # noqa: F821
    print(elapsed(renew), elapsed(bare))
