"""Checks a service that waits for its check, and imports it if it passes."""

from sealcore import errors

from . import memory


def check(node, one) -> None:
    """Check a service and import it if it passes. In both cases its state tells the result.

    Args:
        node: the node.Node.
        one: a service.Service without any running task.
    """
    try:
        node.clock.now()
        _check_and_import(node, one)
    except errors.NoTrustedTime:
        one.set("waiting-for-time", "no-trusted-time")
    except (MemoryError, RuntimeError, OSError) as error:
        # Heap, stack or flash was too small; other services may still fit.
        memory.relieve()
        one.set("failed", type(error).__name__, str(error))


def _check_and_import(node, one) -> None:
    # There is no await between check and import, so no other code runs between them.
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
