"""A node that tells which services it checks: `expired` gives it one whose seal ended."""

from fakes import NOW, Ticks

from nlsm import admission, node, service

FOUND = {"name": "kitchen", "bundle": (1, b""), "settings": {}, "cause": "", "failure": None}
n = node.Node(dict(FOUND, starts={}, grace=0, floor=NOW - 1000, services=()))
n.clock.set(NOW - 100, 0)
Ticks.now += 100000  # of them the clock may be set back


def expired(name, end):
    """Add a service whose seal ended at NOW plus so many seconds; None if nobody knows when."""
    one = n.services[name] = service.Service(name)
    one.not_after = 0 if end is None else NOW + end
    one.set("expired", "expired")


def fresh(name):
    """Add a service that waits for its check."""
    n.services[name] = service.Service(name)


def back(seconds):
    """The site sets the clock back."""
    Ticks.now += 1000
    n.clock.set(NOW - seconds, 0)
    n.recheck()


def check(_, one):
    print(one.name)
    if one.state == "installing":
        one.set("expired" if one.name < "x" else "running", "")


admission.check = check
