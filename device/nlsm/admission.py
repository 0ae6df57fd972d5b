"""Checks a service that waits for it, and imports what has passed."""

from sealcore import errors

from . import memory


def check(node, one) -> None:
    """Whether it passes or not, its state says so.

    Args:
        node: the node.Node.
        one: a service.Service of which nothing runs.
    """
    try:
        node.clock.now()
        _check_and_import(node, one)
    except errors.NoTrustedTime:
        one.set("waiting-for-time", "no-trusted-time")
    except (MemoryError, RuntimeError, OSError) as error:
        # Of heap, stack or flash; the others may be smaller.
        memory.relieve()
        one.set("failed", type(error).__name__, str(error))


def _check_and_import(node, one) -> None:
    # Nothing awaits between the two, so nothing else runs.
    memory.check()
    from . import starter

    admitted = starter.admit(node, one)
    del starter
    memory.free()
    if admitted:
        from . import fitness

        admitted = fitness.check(one)
        del fitness
        memory.free()
    if admitted:
        from . import quarantine

        admitted = quarantine.begin(node, one)
        del quarantine
        memory.free()
    if admitted:
        from . import guard, loader

        guard.begin(node)
        loader.load(node.services, one)
