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

from . import clock, floors, keystore, recovery, trust, verifier

_state = {}


def challenge() -> bytes:
    """A nonce of 16 octets; the one before is void."""
    kept = floors.Floors()
    known = trust.load()
    kept.raise_time(known.signed)
    _state["clock"] = clock.Clock(kept.time)
    return _state["clock"].ask()


def set_time(signed: bytes) -> int:
    """Take the site's signed time for the last nonce; Unix seconds."""
    if "clock" not in _state:
        raise errors.NoTrustedTime
    _state["clock"].answer(signed, trust.load().bundle)
    return _state["clock"].now()


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
        if "clock" not in _state:
            raise errors.NoTrustedTime
        kept = floors.Floors()
        seal = verifier.check(
            folder,
            keystore.read(folder + "/site.der"),
            trust.load(),
            name,
            _state["clock"].now(),
            kept.version(name),
        )
        took = time.ticks_diff(time.ticks_ms(), started)
        gc.collect()
        used = gc.mem_alloc()
        recovery.swap(name)
        # After the swap: a cut in between must not outlaw what is still installed.
        kept.raise_version(name, seal.security_version)
        kept.raise_time(seal.not_before)
    finally:
        recovery.remove(keystore.INCOMING)
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
