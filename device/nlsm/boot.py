"""From power-on to a node that knows who it is: files mended, settings read, trust checked."""

import json

from sealcore import errors

from . import agent, clock, floors, keystore, memory, recovery, service


def node() -> agent.Agent:
    """The node of this board; none of its services runs yet.

    Where its own files are refused, `failure` says so, and so does every service's state.
    """
    recovery.recover()
    recovery.remove(keystore.INCOMING)
    settings = json.loads(keystore.read(keystore.ROOT + "/settings.json") or b"{}")
    found = agent.Agent(settings.get("node", "unknown"), settings)
    for name in sorted(keystore.names(keystore.SERVICES)):
        found.services[name] = service.Service(name)
    try:
        _believe(found)
    except errors.SealError as error:
        found.failure = error
        print("triseal: %s: %s" % (error.code, error))
        for one in found.services.values():
            one.set(service.REFUSED, error.code, str(error))
    return found


def _believe(found: agent.Agent) -> None:
    memory.load(memory.CHECK)
    from . import trust

    own = trust.load()
    found.name = own.node
    kept = floors.Floors()
    kept.raise_time(own.signed)
    found.clock = clock.Clock(kept.time, found.settings.get("grace", 0))
    found.bundle = own.bundle.version
