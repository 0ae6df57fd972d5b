"""When to renew a site seal: pure functions of times, in whole seconds, and random bits.

A site whose nodes started together would renew their seals together forever. So a node draws one
moment in the last quarter of a seal's lifetime (the paper's backoff, section IV), and every wait
after a failure is drawn too. `random_bits` is any integer with at least 32 fresh random low bits.

The services of one node are renewed together, in one message (`companions`). Their new seals begin
and end together, and a node makes one draw for all of them. If it made one for each, the earliest
would decide for all: 30 services would be renewed 16 % more often, and 1000 nodes that started
together would send most of their renewals within the first 40 s of 1250 s.

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
_EACH_S = const(2)  # a slow board needs this long to check a seal


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


def lead(seconds: int, random_bits: int, count: int = 1) -> int:
    """Return how many seconds before expiry to renew: 1 to `seconds`; 0, at expiry, without a
    window.

    If several seals are renewed together, the last one must have been checked before it expires. So
    each seal but the first makes the shortest lead two seconds longer, up to half of the window.

    Args:
        seconds: of the window, see `window`.
        random_bits: see above.
        count: how many seals are renewed together.
    """
    if seconds == 0:
        return 0
    least = 1 + min(_EACH_S * (count - 1), (seconds - 1) // 2)
    return least + share_of(seconds + 1 - least, random_bits)


def draw(
    not_before: int, not_after: int, random_bits: int, share: int = SHARE, count: int = 1
) -> int:
    """Return when to renew this seal; call it once for all seals of these times and keep the
    answer.

    For 5000 s and the default share this is 1250 s to 1 s before `not_after`, both ends included;
    for 30 seals 1250 s to 59 s. A new draw at every look would drift to the early end, and the
    spread would be gone.

    Args:
        not_before: first second of the seal, Unix seconds.
        not_after: last second of the seal, Unix seconds.
        random_bits: see above.
        share: part of the lifetime to draw from, thousandths.
        count: how many seals the node holds.

    Raises: ValueError if the seal ends before it begins.
    """
    return not_after - lead(window(not_after - not_before, share), random_bits, count)


def opens(not_before: int, not_after: int, share: int = SHARE) -> int:
    """Return the first moment that `draw` may choose for this seal.

    Args:
        not_before: first second of the seal, Unix seconds.
        not_after: last second of the seal, Unix seconds.
        share: part of the lifetime to draw from, thousandths.
    """
    return not_after - window(not_after - not_before, share)


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


def companions(seals, now: int) -> list:
    """Return the names of the seals to renew now, the first to expire in front; none unless one is
    due.

    Other seals whose windows have opened are renewed with the one that is due: in one message each
    costs a third less, and the radio wakes up once. From then on they stay together, because their
    new seals begin and end together. A seal that was refused is asked for alone: if each of its
    tries took the others along, these would be renewed as soon as their windows open.

    Args:
        seals: (name, due, opens, not_after) of each; for a refused seal, `opens` is after now.
        now: Unix seconds.
    """
    together = False
    for _, due, opened, _ in seals:
        together = together or max(due, opened) <= now
    found = []
    for name, due, opened, end in seals:
        if due <= now or (together and opened <= now):
            found.append((end, name))
    # The name settles ties: MicroPython's sort isn't stable.
    return [name for _, name in sorted(found)]
