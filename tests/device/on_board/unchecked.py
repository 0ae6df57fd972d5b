"""The check of a service fails for a reason that is not in its seals."""

from watch import Node, have

from nlsm import admission
from sealcore import errors

failures = [MemoryError("short"), RuntimeError("deep"), errors.NoTrustedTime()]


def check(node, one):
    raise failures.pop(0)


admission._check_and_import = check
while failures:
    one = have("a", 9)
    admission.check(Node, one)
    print(one.state, one.code, one.detail)
