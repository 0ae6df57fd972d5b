"""Installs and removes services over the USB line, with no agent running.

    challenge()     a nonce for the site to sign the time for
    set_time(der)   the answer
    accept(name)    check /triseal/incoming/NAME and put it in its place
    remove(name)

The agent does the same with what comes over the network. What is refused is removed, the reason is
the SealError that is raised, and what was installed before stays as it was.
"""

import gc
import time

from sealcore import errors

from . import clock, memory


def challenge() -> bytes:
    """A nonce of 16 bytes; the one before is void."""
    from . import floors, trust

    clock.of_line = clock.Clock(max(trust.load().signed, floors.read()[floors.TIME]))
    question = clock.asked_by_line = clock.Question()
    memory.free()
    return question.nonce


def set_time(signed: bytes) -> int:
    """Take the site's signed time for the last nonce; Unix seconds."""
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
    """Check a staged service by all ten steps and install it: the old one or this, no mixture.

    Returns: what a person wants to know: version, not_after, grants, how many ms the check took and
    the heap in use at its end, code included. Raises: a leaf of SealError.
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
    # After the swap: a cut in between must not outlaw what is still installed.
    floors.rise(seal.not_before, name, seal.security_version)
    return found


def remove(name: str) -> None:
    """Remove a service; none is no error. Its security version's floor stays."""
    from sealcore import names

    from . import recovery

    recovery.recover()
    recovery.drop(names.check_label(name))
    memory.free()
