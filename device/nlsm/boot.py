"""Prepares a node after power-on: repairs files, reads the settings, checks its trust."""

import json

from sealcore import errors

from . import board, keystore, memory, recovery


def look() -> dict:
    """Repair, read and check the node's files, then free the memory that this took. Returns a dict:

    settings    dict from provisioning; for a `newcomer` also its message to the site
    services    names of the installed services
    name        name of the node
    bundle      (version, mark) of its trust bundle
    floor       Unix seconds; the time is not before this
    grace       seconds for which services may run before the time is known
    cause       cause of the last reset, one word
    starts      the entries of `quarantine` for each service
    failure     the SealError because of which nothing may run, or None
    """
    recovery.recover()
    recovery.remove(keystore.INCOMING)
    recovery.remove(recovery.CHECKED)
    found: dict = {"settings": {}, "name": "unknown", "floor": 0, "grace": 0, "failure": None}
    found["bundle"] = 0, bytes(16)
    found["cause"] = board.reset_cause()
    found["services"] = sorted(keystore.names(keystore.SERVICES))
    from . import quarantine

    found["starts"] = quarantine.count(found["cause"], found["services"])
    del quarantine
    try:
        _read(found)
    except errors.SealError as error:
        found["failure"] = error
    memory.free()
    if "server" in found["settings"] and not found["failure"]:
        from . import linked

        linked.keep()
    return found


def _read(found: dict) -> None:
    try:
        found["settings"] = dict(json.loads(keystore.read(keystore.ROOT + "/settings.json")))
    except (ValueError, TypeError):
        raise errors.BadMessage("settings.json")
    if keystore.exists(keystore.UNWATCHED):
        recovery.remove(keystore.UNWATCHED)
        found["settings"].pop("watchdog", 0)
    if not keystore.exists(keystore.ROOT + "/node.crt"):
        from . import newcomer

        newcomer.look(found)
    from . import floors, trust

    own = trust.load()
    floors.rise(own.signed)
    found["name"] = own.node
    found["bundle"] = own.bundle
    found["floor"] = max(own.signed, floors.read()[floors.TIME])
    if found["settings"].get("grace"):
        from . import grace

        found["grace"] = grace.spend(found["settings"]["grace"])
        for name in found["services"]:
            _look_at_seal(found, name, own.site_keys)


def _look_at_seal(found: dict, name: str, site_keys) -> None:
    """Raise the floor to the start of the newest seal, for services that run before the time is
    known.
    """
    from sealcore import keys, seal

    try:
        one = seal.parse(keystore.read(keystore.SERVICES + "/" + name + "/site.der"), seal.SITE)
        keys.check_signed(one, site_keys, one.not_before)
        found["floor"] = max(found["floor"], one.not_before)
    except errors.SealError:  # the later check of the service will report it
        pass
