"""Checks which services may run: at boot, when the time becomes known, on change.

Everything is checked anew each time; nothing is believed because it was believed before.
"""

from sealcore import errors
from sealcore.compat import const

from . import floors, keystore, service, trust, verifier

_IMAGE = "app.romfs"
_SEAL = const(4096)


def check(node, name: str, folder: str, site_seal):
    """The ten steps now. The floors rise with what passes.

    Args:
        node: the Agent.
        name: of the service.
        folder: where its files lie.
        site_seal: DER.

    Returns: the seal. Raises: a leaf of SealError.
    """
    kept = floors.Floors()
    found = verifier.check(
        folder, site_seal, trust.load(), name, node.clock.now(), kept.version(name)
    )
    kept.raise_version(name, found.security_version)
    kept.raise_time(found.not_before)
    node.clock.raise_floor(found.not_before)
    return found


def admit(node, one) -> bool:
    """Check a service as it lies on flash; whether it may be imported and run now.

    If not, the service's state says why.
    """
    folder = keystore.SERVICES + "/" + one.name
    try:
        take(one, check(node, one.name, folder, keystore.read(folder + "/site.der", _SEAL)))
        return True
    except errors.NoTrustedTime:
        one.set(service.WAITING, "no-trusted-time")
    except errors.SealError as error:
        state = service.EXPIRED if error.code == "expired" else service.REFUSED
        one.set(state, error.code, str(error))
    return False


def take(one, found) -> None:
    """Remember what an accepted seal says; not the seal itself, which is large."""
    one.version = found.service_version
    one.serial = found.serial.to_bytes(16, "big")
    one.not_before = found.not_before
    one.not_after = found.not_after
    one.grants = found.grants


def set_time(node, signed) -> None:
    """Take the site's answer to `clock.ask`; raises SealError."""
    node.clock.answer(signed, trust.load().bundle)
    floors.Floors().raise_time(node.clock.floor)
