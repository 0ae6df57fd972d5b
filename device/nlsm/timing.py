"""Takes the site's word on the time."""

from sealcore import signedtime

from . import floors, trust


def take(clock, question, signed) -> None:
    """Set a clock.Clock by the site's answer to a question.

    Args:
        clock: the node's.
        question: the clock.Question that was put.
        signed: DER.

    Raises: a leaf of SealError.
    """
    nonce, passed = question.answered()
    bundle = trust.load().bundle
    clock.set(signedtime.read(signed, bundle.site_keys, bundle.site, nonce), passed)
    floors.rise(clock.floor)
    floors.restore_grace()
