"""Takes the site's word on the time."""

from sealcore import signedtime

from . import floors, trust


def take(clock, signed) -> None:
    """Set a clock.Clock by the site's answer to the nonce that it asked with.

    Args:
        clock: the node's.
        signed: DER.

    Raises: a leaf of SealError.
    """
    nonce, passed = clock.answered()
    bundle = trust.load().bundle
    clock.set(signedtime.read(signed, bundle.site_keys, bundle.site, nonce), passed)
    floors.rise(clock.floor)
