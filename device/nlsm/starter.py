"""Checks which services may run: at boot, when the time becomes known, on change.

Everything is checked anew each time; nothing is believed because it was believed before.
"""

from sealcore import errors

from . import floors, keystore, verifier


def admit(node, one) -> bool:
    """Check a service as it lies on flash; whether it may be imported and run now.

    If not, the service's state says why.
    """
    folder = keystore.SERVICES + "/" + one.name
    try:
        accept(one, verifier.check(folder, one.name, node.clock))
        return True
    except errors.SealError as error:
        state = "expired" if error.code == "expired" else "refused"
        one.set(state, error.code, str(error))
    return False


def site_seal(one) -> bytes:
    """The site seal of a service as it lies on flash."""
    return keystore.read(keystore.SERVICES + "/" + one.name + "/site.der")


def accept(one, seal) -> None:
    """The floors rise with a seal that has passed; what it says is kept, not the seal itself."""
    floors.rise(seal.not_before, one.name, seal.security_version)
    one.version = seal.service_version
    one.serial = seal.serial.to_bytes(16, "big")
    one.not_before = seal.not_before
    one.not_after = seal.not_after
    one.grants = one.granted = seal.grants
    one.due = None
