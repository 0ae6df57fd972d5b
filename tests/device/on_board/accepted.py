"""A seal has passed all checks: what rises with it."""

import elsewhere  # noqa: F401 - first: it moves the file

from nlsm import floors, service, starter


class Seal:
    """What a seal says."""

    not_before, not_after, security_version, serial = 20000, 30000, 3, 7
    service_version = "1.0"
    grants = ("log",)


class Node:
    """A node with another service, whose seal said the same."""

    services = {"a": service.Service("a"), "b": service.Service("b")}


one, other = Node.services["a"], Node.services["b"]
one.due = 5
starter.accept(Node, other, Seal)
Seal.grants = tuple(iter(Seal.grants))  # equal, and another object
Seal.service_version = "1" + ".0"
Seal.not_after = 30001
starter.accept(Node, one, Seal)
print(floors.read()[floors.TIME], floors.read()["a"], len(one.serial), one.due)
print(one.version, one.not_before, one.not_after, one.grants, one.granted is other.granted)
