"""Puts in place what has come over the link, once nothing of the old runs any more."""

from sealcore import errors
from sealcore.compat import const

from . import keystore, recovery, service, starter, verifier

# Seconds until what was refused is asked for again, and how soon before the end of a seal. The site
# says by itself when something has changed; until then each try would cost it a seal, and the node
# a check and some of its flash.
_AGAIN_S = const(600)
_SOON_S = const(10)
# How far ahead of what was just sealed the clock may be: more than the time that a renewal takes.
_AHEAD_S = const(3)


def offer(node, name: str) -> None:
    """Check incoming/NAME; if it passes, what runs of the service makes way for it."""
    folder = keystore.INCOMING + "/" + name
    one = node.services.get(name) or service.Service(name)
    try:
        seal = verifier.check(folder, name, node.clock)
    except errors.SealError as error:
        node.services[name] = one
        refuse(node, one, error, keystore.read(folder + "/site.der"), folder)
        recovery.remove(folder)
        return
    recovery.keep(name)  # until the old one has ended
    one.offered = seal.serial.to_bytes(16, "big")
    node.services[name] = one  # not before: where memory is too short for the check, nothing is new
    one.finish("replace", "installing")


def refuse(node, one, error, seal: bytes, folder: str) -> None:
    """Report what was refused, with the seals as evidence where they contradict each other; what
    was there before stays as it is.

    Args:
        seal: the site seal that was offered.
        folder: where the other two lie.
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
    except errors.NoTrustedTime:  # nothing is due then
        return
    left = one.not_after - now
    one.due = now + (min(_AGAIN_S, max(_SOON_S, left // 2)) if left > 0 else _AGAIN_S)
    if error.code == "expired":  # on arrival: either clock may be wrong
        one.due = now + _SOON_S
        if node.link:
            node.link.doubt_time()
    one.later = one.due


def renew(node, one, seal: bytes) -> None:
    """Take a new site seal for what is installed. Raises SealError, and nothing has changed.

    Where grants change, the service starts anew: nobody can take back from it what it holds. So
    does one that has failed, unless its metadata says never; one that came to its end does not.
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
    starter.accept(one, found)
    rests = one.state in ("running", "stopped") or (one.once and one.state == "failed")
    if not (one.then or (same and rests)):  # what is to follow already, follows
        one.finish("start", "installing")


def recheck(node, one) -> None:
    """Stop a service that does not pass any longer, because the trust bundle has changed."""
    folder = keystore.SERVICES + "/" + one.name
    try:
        verifier.check(folder, one.name, node.clock)
    except errors.SealError as error:
        one.stop("refused", error.code, str(error))


def finish(node) -> None:
    """Do with each service that has come to its end what it ended for."""
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
            one.serial = one.offered  # also where memory is too short to check it once more
        one.then = ""  # not before: it is tried again where the flash had no room for it
    node.check()
