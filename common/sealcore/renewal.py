"""When to renew a site seal: pure functions of times, in whole seconds, and random bits.

A site whose services started together would renew them together for ever. So every seal draws one
moment in the last quarter of its lifetime (the paper's backoff, section IV), and every wait after a
failure is drawn too. `random_bits` is any integer with at least 32 fresh random low bits.

`window`, `share_of` and `lead` also take NumPy arrays of int64 in place of `random_bits`: the
simulation runs this very code.
"""

from .compat import const

SHARE = const(250)  # the last quarter of a lifetime, in thousandths
CONNECT_SPREAD = const(30)
RETRY_CAP = const(256)
_WHOLE = const(1000)
_FIRST_CEILING = const(2)
_MOST_DOUBLINGS = const(16)  # keeps the shift small however long a site is away
_MASK = const(0xFFFFFFFF)


def share_of(count: int, random_bits: int) -> int:
    """Return a number from 0 to count - 1, each with equal probability (to within count / 2**32).

    Args:
        count: 0 gives 0.
        random_bits: see above.
    """
    return (random_bits & _MASK) * count >> 32


def window(lifetime: int, share: int = SHARE) -> int:
    """Return the seconds from which a draw may choose: a part of the lifetime, rounded up.

    It is never the whole lifetime, because no seal is due in the second of its issue.

    Args:
        lifetime: seconds, 0 or more.
        share: of the lifetime, in thousandths, 0 to 1000.

    Raises: ValueError.
    """
    if lifetime < 0 or not 0 <= share <= _WHOLE:
        raise ValueError("renewal window")
    return min((lifetime * share + _WHOLE - 1) // _WHOLE, max(lifetime - 1, 0))


def lead(seconds: int, random_bits: int) -> int:
    """How long before expiry to renew: 1 .. `seconds`; 0, at expiry, if there is no window."""
    if seconds == 0:
        return 0
    return 1 + share_of(seconds, random_bits)


def draw(not_before: int, not_after: int, random_bits: int, share: int = SHARE) -> int:
    """When to renew this seal; call once per seal and keep the answer.

    For 5000 s and the default share: 1250 s to 1 s before `not_after`, both ends included. Drawing
    again at every look would drift to the early end, and the spread would be gone. Raises
    ValueError if the seal ends before it begins.
    """
    return not_after - lead(window(not_after - not_before, share), random_bits)


def retry_delay(attempt: int, random_bits: int, now: int, not_after=None) -> int:
    """Return the seconds to wait after a failure: exponential, with full jitter.

    They are 1 to 2, 1 to 4, and so on to `RETRY_CAP`, and at least one second, because hammering a
    dead site helps nobody. If there is an expiry to save, the next try comes before it. The jitter
    then shrinks with the time that is left, so that seals which expire together are not all tried
    at the last moment.

    Args:
        attempt: number of the failure, from 0.
        random_bits: see above.
        now: Unix seconds.
        not_after: the earliest expiry that the next try should save, Unix seconds; None for none.
    """
    ceiling = min(RETRY_CAP, _FIRST_CEILING << min(attempt, _MOST_DOUBLINGS))
    if not_after is not None and now <= not_after:
        ceiling = max(1, min(ceiling, not_after - 1 - now))
    return 1 + share_of(ceiling, random_bits)


def connect_delay(random_bits: int, spread: int = CONNECT_SPREAD) -> int:
    """Return the seconds to wait after boot before the first connection: 0 to spread - 1.

    After a power outage all boards of a site boot in the same second; this keeps their TLS
    handshakes apart.

    Args:
        random_bits: see above.
        spread: seconds.
    """
    return share_of(spread, random_bits)


def pending(seals, now: int) -> list:
    """Names of the seals to renew now: the expired ones first, then by expiry.

    `seals` gives (name, due, not_after) for each. An expired service stands still, so it goes
    before one that merely is due; both orders are the order of `not_after`.
    """
    # The name settles ties: MicroPython's sort isn't stable.
    return [name for _, name in sorted((end, name) for name, due, end in seals if due <= now)]
