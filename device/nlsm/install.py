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

from sealcore import errors, names

from . import clock, floors, keystore, memory, recovery, timing, trust, verifier


def challenge() -> bytes:
    """A nonce of 16 octets; the one before is void."""
    clock.of_line = clock.Clock(max(trust.load().signed, floors.read()[floors.TIME]))
    clock.asked_by_line = clock.Question()
    memory.free()
    return clock.asked_by_line.nonce


def set_time(signed: bytes) -> int:
    """Take the site's signed time for the last nonce; Unix seconds."""
    if not clock.of_line:
        raise errors.NoTrustedTime
    timing.take(clock.of_line, clock.asked_by_line, signed)
    memory.free()
    return clock.of_line.now()


def accept(name: str) -> dict:
    """Check a staged service by all ten steps and install it: the old one or this, no mixture.

    Returns: what a person wants to know: version, not_after, grants, how many ms the check took and
    the heap in use at its end, code included. Raises: a leaf of SealError.
    """
    names.check_label(name)
    recovery.recover()
    folder = keystore.INCOMING + "/" + name
    started = time.ticks_ms()
    try:
        if not clock.of_line:
            raise errors.NoTrustedTime
        site_seal = keystore.read(folder + "/site.der")
        seal = verifier.check(folder, site_seal, name, clock.of_line.now())
        took = time.ticks_diff(time.ticks_ms(), started)
        gc.collect()
        used = gc.mem_alloc()
        recovery.swap(name)
        # After the swap: a cut in between must not outlaw what is still installed.
        floors.rise(seal.not_before, name, seal.security_version)
    finally:
        recovery.remove(keystore.INCOMING)
        memory.free()
    return {
        "version": seal.service_version,
        "not_after": seal.not_after,
        "grants": seal.grants,
        "ms": took,
        "heap": used,
    }


def remove(name: str) -> None:
    """Remove a service; none is no error. Its security version's floor stays."""
    recovery.recover()
    recovery.drop(names.check_label(name))
