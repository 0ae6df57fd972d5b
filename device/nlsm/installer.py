"""Installs files that arrived over the link, after every task of the old version has ended."""

from sealcore import errors
from sealcore.compat import const

from . import keystore, recovery, service, starter, verifier

# Seconds until the node asks again for something that was refused, and the shortest such wait near
# the end of a seal. The site reports changes by itself. Each earlier try would cost the site a
# seal, and the node a check and some flash wear.
_AGAIN_S = const(600)
_SOON_S = const(10)
# How far the clock may be ahead of a seal that was just made: more than a renewal takes.
_AHEAD_S = const(3)


def offer(node, name: str) -> None:
    """Check incoming/NAME. If it passes, stop the old version so that the new one replaces it."""
    folder = keystore.INCOMING + "/" + name
    one = node.services.get(name) or service.Service(name)
    try:
        seal = verifier.check(folder, name, node.clock)
    except errors.SealError as error:
        node.services[name] = one
        refuse(node, one, error, keystore.read(folder + "/site.der"), folder)
        recovery.remove(folder)
        return
    recovery.keep(name)  # until the old version has ended
    one.offered = seal.serial.to_bytes(16, "big")
    # Not earlier: if memory is too short for the check, the node must look unchanged.
    node.services[name] = one
    one.finish("replace", "installing")


def refuse(node, one, error, seal: bytes, folder: str) -> None:
    """Report a refused seal; the version that was installed before stays as it is.

    If the seals contradict each other, the report carries them as evidence.

    Args:
        seal: the site seal that was offered, DER.
        folder: the folder with the seals of the store and of the developer.
    """
    evidence = []
    if error.code in ("predecessor-mismatch", "seal-mismatch"):
        evidence = [seal]
        evidence += [keystore.read(folder + "/" + name) for name in ("store.der", "developer.der")]
    before = one.state, one.code, one.detail
    one.set("refused", error.code, str(error))
    if node.link:
        node.link.report(one, evidence)
    print("triseal: " + str(one))
    if before[0] == "running":
        one.set(*before)
    try:
        now = node.clock.now()
    except errors.NoTrustedTime:  # without the time, no renewal is due
        return
    left = one.not_after - now
    one.due = now + (min(_AGAIN_S, max(_SOON_S, left // 2)) if left > 0 else _AGAIN_S)
    # It had expired when it arrived: the clock of the node or of the site may be wrong.
    if error.code == "expired":
        one.due = now + _SOON_S
        if node.link:
            node.link.doubt_time()
    one.later = one.due


def renew(node, one, seal: bytes) -> None:
    """Accept a new site seal for the installed service.

    If it raises SealError, nothing has changed.

    If the grants change, the service is restarted, because the node cannot take back objects that
    it has handed out. A failed service is restarted too, unless its metadata forbids that. A
    service whose `main` has returned is not restarted.
    """
    folder = keystore.SERVICES + "/" + one.name
    found = verifier.check(folder, one.name, node.clock, seal)
    try:
        keystore.write(folder + "/site.der", seal)
    except OSError as error:
        raise errors.TooLarge("flash: %s" % error)
    if node.link and node.clock.now() > found.not_before + _AHEAD_S:
        node.link.doubt_time()
    same = one.granted == found.grants
    starter.accept(node, one, found)
    rests = one.state in ("running", "stopped") or (one.once and one.state == "failed")
    if not (one.then or (same and rests)):  # an action that is planned already is kept
        one.finish("start", "installing")


def recheck(node, one) -> None:
    """Stop a service that fails its check now, because the trust bundle has changed."""
    folder = keystore.SERVICES + "/" + one.name
    try:
        verifier.check(folder, one.name, node.clock)
    except errors.SealError as error:
        one.stop("refused", error.code, str(error))


def finish(node) -> None:
    """Start, replace or remove each service whose old tasks have all ended."""
    for one in list(node.services.values()):
        if not one.then or not one.ended():
            continue
        if one.then == "remove":
            recovery.drop(one.name)
            one.serial = b""
            del node.services[one.name]
            if node.link:
                node.link.report(one)
        elif one.then == "replace":
            recovery.swap(one.name, recovery.CHECKED)
            one.fails = 0
            # It is set here too, in case memory is too short to check it once more.
            one.serial = one.offered
        del one.then  # Not earlier: if the flash had no room, the next turn tries again.
    node.check()
