"""A seal has passed all checks: what rises with it."""

import elsewhere  # noqa: F401 - first: it moves the file

from nlsm import floors, service, starter


class Seal:
    """What a seal says."""

    not_before, not_after, security_version, serial = 20000, 30000, 3, 7
    service_version = "1.0"
    grants = ("log",)


one = service.Service("a")
one.due = 5
starter.accept(one, Seal)
print(floors.read()[floors.TIME], floors.read()["a"], len(one.serial), one.due)
