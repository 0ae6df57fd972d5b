"""The change of a site's key from its first step to its last, for commands and rehearsals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from triseal.site.manager import Manager
from triseal.site.rules import rotation

_CHECK_EVERY = 0.2

OnWait = Callable[[int], None]


def _silent(_: int) -> None:
    """Show nothing."""


def rotate(
    site: Manager,
    seconds: float,
    *,
    force: bool = False,
    algorithm: str = "",
    uri: str = "",
    waits: OnWait = _silent,
) -> Iterator[str]:
    """Do the steps of a change that are left, or all steps of a new one.

    Args:
        site: the site.
        seconds: how long each step waits for nodes.
        force: whether it is done although nodes still wait after that.
        algorithm: as for `Manager.prepare_key`.
        uri: the same.
        waits: called with the number of nodes that hold up the next step, while they do.

    Yields: the name of each step after it was done.

    Raises:
        NodesWaiting: nodes still wait, and `force` is not set. Call it again to go on.
        Failure: as the methods of `Manager` raise it.
    """
    steps: dict[str, Callable[[], object]] = {
        rotation.PREPARE: lambda: site.prepare_key(algorithm, uri),
        rotation.ACTIVATE: lambda: site.activate_key(force=force),
        rotation.TAINT: site.taint_key,
        rotation.REVOKE: lambda: site.revoke_key(force=force),
    }
    step = ""
    while step != rotation.REVOKE:
        step = site.key_progress().next
        end = time.monotonic() + seconds
        while (left := len(site.key_waits_for())) and time.monotonic() < end:
            waits(left)
            time.sleep(_CHECK_EVERY)
        steps[step]()
        yield step
