"""Checks which services may run: at boot, when the time becomes known, and after a change.

Each time everything is checked again: an earlier result is never trusted.
"""

from sealcore import errors

from . import floors, keystore, verifier


def admit(node, one) -> bool:
    """Check a service on flash. Return whether it may be imported and run now.

    If it may not, the state of the service says why.
    """
    folder = keystore.SERVICES + "/" + one.name
    try:
        accept(node, one, verifier.check(folder, one.name, node.clock))
        return True
    except errors.SealError as error:
        state = "expired" if error.code == "expired" else "refused"
        one.set(state, error.code, str(error))
    return False


def site_seal(one) -> bytes:
    """Return the site seal of a service from flash, DER."""
    return keystore.read(keystore.SERVICES + "/" + one.name + "/site.der")


def accept(node, one, seal) -> None:
    """Raise the floors to a seal that has passed, and copy its facts to the service.

    Services keep equal values only once in memory: many have the same grants and the same validity.
    """
    floors.rise(seal.not_before, one.name, seal.security_version)
    facts = [seal.service_version, seal.not_before, seal.not_after, seal.grants]
    for other in node.services.values():
        held = other.version, other.not_before, other.not_after, other.granted
        for i in range(len(facts)):
            if held[i] == facts[i]:
                facts[i] = held[i]
    one.version, one.not_before, one.not_after, one.granted = facts
    one.grants = one.granted
    one.serial = seal.serial.to_bytes(16, "big")
    one.due = None
