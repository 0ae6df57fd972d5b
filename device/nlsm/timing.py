"""Takes the site's word on the time."""

from sealcore.compat import const

from . import memory

_MODULES = const("sealcore.encode sealcore.der sealcore.rsa sealcore.keys sealcore.signedtime")


def take_alone(clock, question, signed) -> None:
    """`take`, where nothing else of the agent is at work: what has read whom to trust makes room
    for what checks. Arguments and errors as there."""
    from . import trust

    own = trust.load()
    del trust
    memory.free()
    memory.load(_MODULES)
    memory.settle()
    take(clock, question, signed, own)
    memory.free()


def take(clock, question, signed, own) -> None:
    """Set a clock.Clock by the site's answer to a question.

    Args:
        clock: the node's.
        question: the clock.Question that was put.
        signed: DER.
        own: a trust.Trust.

    Raises: a leaf of SealError.
    """
    from sealcore import signedtime

    from . import floors, grace

    nonce, passed = question.answered()
    clock.set(signedtime.read(signed, own.site_keys, own.site, nonce), passed)
    floors.rise(clock.floor)
    grace.restore()
