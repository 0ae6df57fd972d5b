"""What sealcore says of an input, held against the referees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sealcore import bundle, errors, identity, keys, seal, x509
from tests.host.fuzz import profile
from tests.host.fuzz.seeds import Seed
from tests.host.sealcore import differences, referees

ROLES = {"developer": seal.DEVELOPER, "store": seal.STORE, "site": seal.SITE}


class Find(Exception):
    """Something that must not be; the text says what."""


def parser(kind: str) -> Callable[[bytes], Any]:
    """How sealcore reads a thing of this kind: as `seeds.Seed` names kinds."""
    if kind == "bundle":
        return bundle.parse
    if kind == "x509":
        return x509.parse
    if kind == "identity":
        return identity.parse
    return lambda der: seal.parse(der, ROLES[kind])


def verdict(parse: Callable[[bytes], Any], der: bytes) -> tuple[str, Any]:
    """(code, what was parsed): one of them is empty.

    Raises:
        Find: another exception than a refusal.
    """
    try:
        return "", parse(der)
    except errors.SealError as refusal:
        return refusal.code, None
    except Find:
        raise
    except Exception as error:
        raise Find(f"{type(error).__name__}: {error}") from error


def judge(seed: Seed, der: bytes, signed_again: bool) -> str:
    """Compare the verdicts on one input.

    Args:
        seed: what it was made of.
        der: the input.
        signed_again: whether its signature is right if it can be read at all.

    Returns:
        The code of sealcore's refusal; empty where it accepts.

    Raises:
        Find: sealcore accepts what a referee refuses, and no listed difference covers it.
    """
    if seed.kind == "bundle":
        return _judge_bundle(seed, der, signed_again)
    generic, cert = verdict(x509.parse, der)
    if not generic:
        _compare(der, referees.by_cryptography)
        _compare(der, referees.by_asn1crypto)
        _check_signature(seed, cert, signed_again)
    if seed.kind == "x509":
        return generic
    code, found = verdict(parser(seed.kind), der)
    if not code and seed.kind == "identity":
        _check_identity(found, generic)
    elif not code:
        _check_seal(found, generic)
    return code


def _judge_bundle(seed: Seed, der: bytes, signed_again: bool) -> str:
    code, found = verdict(bundle.parse, der)
    if code:
        return code
    if len(found.signature) != 1:  # a mutation may have removed it
        return code
    ((_, found.algorithm, found.signature),) = found.signature
    _check_signature(seed, found, signed_again)
    if found.algorithm != seed.signer.algorithm:  # read when it is verified: BadSignature
        return code
    entries = [spki for _, spki in (*found.site_keys, *found.store_keys)]
    for spki in (*found.roots[1], *entries):
        # A key is read when something is verified with it, or else compared whole.
        if verdict(keys.parse, spki)[0]:
            return code
    _compare(der, referees.bundle_by_specification)
    return code


def _compare(der: bytes, referee: referees.Referee) -> None:
    name = referee.__name__
    reason = referees.refusal(referee, der)
    if reason and not any(one.covers(name, reason, der) for one in differences.FUZZ):
        raise Find(f"accepted, but not {name}: {reason}")


def _check_signature(seed: Seed, found: Any, signed_again: bool) -> None:
    """What was signed again and parses must verify: so nothing but structure was wrong."""
    if signed_again and found.algorithm == seed.signer.algorithm:
        key = keys.parse(seed.signer.spki)
        code, _ = verdict(
            lambda _: keys.verify(key, found.algorithm, found.digest, found.signature), b""
        )
        if code:
            raise Find(f"signed again, yet {code}")


def _check_identity(found: Any, generic: str) -> None:
    """The certificate of a node is an X.509 certificate, without exception."""
    if generic:
        raise Find(f"a node's, but no certificate: {generic}")
    try:
        profile.check_identity(found)
    except Exception as error:
        raise Find(f"a node beyond the profile: {error!r}") from error


def _check_seal(found: Any, generic: str) -> None:
    """A seal is an X.509 certificate, but that the numbers of its key are left to `custody`, which
    compares it whole with one that it knows."""
    if verdict(keys.parse, found.spki)[0]:
        return
    if generic:
        raise Find(f"a seal, but no certificate: {generic}")
    try:
        profile.check(found)
    except Exception as error:
        raise Find(f"a seal beyond the profile: {error!r}") from error
