"""Sets the clock from the site's signed time."""

from sealcore.compat import const

from . import memory

_MODULES = const("sealcore.encode sealcore.der sealcore.rsa sealcore.keys sealcore.signedtime")


def take_alone(clock, question, signed) -> None:
    """Do the same as `take`, with little memory and while no other part of the agent works.

    The modules that read the trust bundle are unloaded before those that check the time are loaded.
    Arguments and errors are those of `take`.
    """
    from . import trust

    own = trust.load()
    del trust
    memory.free()
    memory.load(_MODULES)
    memory.settle()
    take(clock, question, signed, own)
    memory.free()


def take(clock, question, signed, own) -> None:
    """Set a clock.Clock from the site's answer to a question.

    Args:
        clock: the node's clock.
        question: the clock.Question that was asked.
        signed: the signed time, DER.
        own: the node's trust.Trust.

    Raises: a leaf of SealError.
    """
    from sealcore import signedtime

    from . import floors, grace

    nonce, passed = question.answered()
    clock.set(signedtime.read(signed, own.site_keys, own.site, nonce), passed)
    floors.rise(clock.floor)
    grace.restore()
