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

from . import clock, floors, keystore, trust, verifier

_state = {}


def challenge() -> bytes:
    """A nonce of 16 octets; the one before is void."""
    kept = floors.Floors()
    known = trust.Trust()
    kept.raise_time(known.signed)
    _state["clock"] = clock.Clock(kept.time)
    return _state["clock"].ask()


def set_time(signed: bytes) -> int:
    """Take the site's signed time for the last nonce; Unix seconds."""
    if "clock" not in _state:
        raise errors.NoTrustedTime
    _state["clock"].answer(signed, trust.Trust().bundle)
    return _state["clock"].now()


def accept(name: str) -> dict:
    """Check a staged service by all ten steps and install it: the old one or this, no mixture.

    Returns what a person wants to know. Raises a leaf of SealError.
    """
    names.check_label(name)
    keystore.recover()
    folder = keystore.INCOMING + "/" + name
    started = time.ticks_ms()
    try:
        if "clock" not in _state:
            raise errors.NoTrustedTime
        kept = floors.Floors()
        seal = verifier.check(
            folder,
            keystore.read(folder + "/site.der"),
            trust.Trust(),
            name,
            _state["clock"].now(),
            kept.version(name),
        )
        used = gc.mem_alloc()
        took = time.ticks_diff(time.ticks_ms(), started)
        keystore.swap(name)
        # After the swap: a cut in between must not outlaw what is still installed.
        kept.raise_version(name, seal.security_version)
        kept.raise_time(seal.not_before)
    finally:
        keystore.remove(keystore.INCOMING)
    return {
        "version": seal.service_version,
        "not_after": seal.not_after,
        "grants": seal.grants,
        "ms": took,
        "heap": used,
    }


def remove(name: str) -> None:
    """Remove a service; none is no error. Its security version's floor stays."""
    keystore.recover()
    keystore.drop(names.check_label(name))
