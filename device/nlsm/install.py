"""Installs and removes services over the USB line, while no agent runs.

    challenge()     returns a nonce, for which the site signs the time
    set_time(der)   takes the signed time
    accept(name)    checks /triseal/incoming/NAME and installs it
    remove(name)    removes a service

The agent does the same with files that arrive over the network. If a service is refused, its files
are removed, the SealError tells the reason, and the version installed before stays as it was.
"""

import gc
import time

from sealcore import errors

from . import clock, memory


def challenge() -> bytes:
    """Return a nonce of 16 bytes. The nonce before it becomes invalid."""
    from . import floors, trust

    clock.of_line = clock.Clock(max(trust.load().signed, floors.read()[floors.TIME]))
    question = clock.asked_by_line = clock.Question()
    memory.free()
    return question.nonce


def set_time(signed: bytes) -> int:
    """Take the site's signed time for the last nonce, and return the time in Unix seconds."""
    own = _clock()
    from . import timing

    timing.take_alone(own, clock.asked_by_line, signed)
    return own.now()


def _clock() -> clock.Clock:
    own = clock.of_line
    if not own:
        raise errors.NoTrustedTime
    return own


def accept(name: str) -> dict:
    """Check a staged service by all ten steps and install it.

    A power cut leaves the old one or this one.

    Returns: a dict for people: version, not_after, grants, ms that the check took, and bytes of
    heap in use at its end, including code. Raises: a leaf of SealError.
    """
    memory.check()
    try:
        return _accept(name, _clock())
    finally:
        from . import keystore, recovery

        recovery.remove(keystore.INCOMING)
        memory.free()


def _accept(name: str, now: clock.Clock) -> dict:
    from sealcore import names

    from . import floors, keystore, verifier

    folder = keystore.INCOMING + "/" + names.check_label(name)
    started = time.ticks_ms()
    seal = verifier.check(folder, name, now)
    took = time.ticks_diff(time.ticks_ms(), started)
    gc.collect()
    found = {
        "version": seal.service_version,
        "not_after": seal.not_after,
        "grants": seal.grants,
        "ms": took,
        "heap": gc.mem_alloc(),
    }
    from . import recovery

    recovery.recover()
    recovery.swap(name)
    # After the swap: if power fails in between, the service that is still installed must stay
    # valid.
    floors.rise(seal.not_before, name, seal.security_version)
    return found


def remove(name: str) -> None:
    """Remove a service; a missing one is no error. The floor of its security version stays."""
    from sealcore import names

    from . import recovery

    recovery.recover()
    recovery.drop(names.check_label(name))
    memory.free()
