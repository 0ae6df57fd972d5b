"""Takes the site's word on the time."""

from sealcore import signedtime

from . import floors, grace


def take(clock, question, signed, own) -> None:
    """Set a clock.Clock by the site's answer to a question.

    Args:
        clock: the node's.
        question: the clock.Question that was put.
        signed: DER.
        own: a trust.Trust.

    Raises: a leaf of SealError.
    """
    nonce, passed = question.answered()
    clock.set(signedtime.read(signed, own.site_keys, own.site, nonce), passed)
    floors.rise(clock.floor)
    grace.restore()
