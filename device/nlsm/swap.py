"""The agent as a package: it comes over the link, starts on trial, and is confirmed or given up.

`slots.py`, beside `main.py`, picks what starts; it describes the state in `/agent/state`. This
module adds to the state:

    ran      names of the services that ran before
    a, b     what lies in a slot: [name, serial in hex, version, security version]

A trial is over when the site has welcomed the new agent and each service that ran before runs
again, has ended by itself, or has come to the end of its seal. If that does not happen in time,
the board starts the old agent again, which reports why.
"""

import json
import os
import sys

from sealcore import errors
from sealcore.compat import const

from . import clock, keystore, memory, service

_STATE = "/agent/state"
_MARK = const("/agent/active")  # tells `main.py` to look at the state
_TRIAL_S = const(300)
_STARTS = const(3)
_SPARE = const(32768)  # bytes of flash that must stay free
_IMAGE = const("app.romfs")
# A service that has ended by itself, or whose seal has ended, is no fault of the agent.
_FINE = ("running", "stopped", "expired")


def _read() -> dict:
    slots = sys.modules.get("slots")
    return slots.read() if slots else {}


def fallen(state: dict) -> Exception:
    """Return the refusal of what was given up. Its version and its seal tell the site which attempt
    that was: the node says it again after each start.
    """
    fell = state["fell"]
    if type(fell) is str:  # the slot of an agent
        fell = state[fell]
    return errors.FellBack("%s (seal %s): %s" % (fell[2], fell[1][:8], state["why"]))


def running() -> str:
    """Return the slot from which this agent was started; "" for the agent in `/lib`."""
    slots = sys.modules.get("slots")
    return slots.running if slots else ""


def _write(state: dict) -> None:
    keystore.write(_STATE, json.dumps(state).encode())


class Trial(service.Service):
    """The running agent or firmware among the services of its node, so that the site is told about
    it alike.

    It is "installing" during its trial and "running" afterwards. It has no tasks, and its seal may
    expire. A subclass has `confirm()`, `fall(why)`, and `forgive()`, after which what was given up
    may come again.
    """

    if False:  # methods of the subclasses, declared for mypy only: this compiles to nothing

        def confirm(self) -> None: ...  # type: ignore[unreachable]
        def fall(self, why: str) -> None: ...
        def forgive(self) -> None: ...

    def __init__(self, node, name: str, serial: str, version: str):
        super().__init__(name)
        self.node = node
        self.serial = bytes.fromhex(serial)
        self.version = version
        self.retry = clock.ms() + 1000 * node.settings.get("trial", _TRIAL_S)
        self.after: list = []  # names to ask for after the trial

    def done(self) -> None:
        """Ask for what could not be taken during the trial."""
        self.lent = ()
        if self.node.link:
            self.node.link.ask(self.after)

    def show(self, state: dict) -> None:
        """Set the state of a confirmed agent, with the reason if a later one was given up."""
        if "fell" in state:
            self.set("running", errors.FellBack.code, str(fallen(state)))
        else:
            self.set("running")

    def ended(self) -> bool:
        """Look after the trial. The agent's loop calls this often; it never ends."""
        if self.state == "installing":
            node = self.node
            missing = [
                name
                for name in self.lent
                if name in node.services and node.services[name].state not in _FINE
            ]
            greeted = node.link and node.link.greeted
            if greeted and not missing and node.flight is None:
                self.confirm()
            elif clock.ms() > self.retry:
                self.fall("does not run: " + ", ".join(missing) if greeted else "no WELCOME")
        return False

    def stuck(self) -> bool:
        return False

    def stop(self, state: str, code: str = "", detail: str = "") -> None:
        """Do nothing: an agent that ends could renew nothing."""

    def finish(self, then: str, _state: str, code: str = "") -> None:
        """Forget that the site knows this package, if it is no longer assigned."""
        if then == "remove":
            self.serial = b""
            self.set("stopped", code)
            del self.node.services[self.name]
            self.node.link.report(self)

    def again(self, code: str = "") -> None:
        """Try once more what was given up, because the site asks for it."""
        self.forgive()
        self.set(self.state, code)
        self.node.link.ask([self.name])


class Agent(Trial):
    """The running agent."""

    def __init__(self, node, state: dict):
        slot = state.get("trial") or state["slot"]
        name, serial, version, _ = state[slot] if slot else (state[state["fell"]][0], "", "", 0)
        super().__init__(node, name, serial, version)
        self.lent = state.get("ran", ())
        if "trial" not in state:
            self.show(state)

    def confirm(self) -> None:
        """End the trial: this agent stays."""
        from . import floors

        state = _read()
        slot = state.pop("trial")
        state["slot"] = slot
        for key in ("starts", "ran", "why", "fell", "dog"):
            state.pop(key, None)
        floors.rise(0, self.name, state[slot][3])
        _write(state)
        # From now on, the guard's timer ends no service that blocks for long.
        sys.modules["slots"].feed = None  # type: ignore[attr-defined]
        self.set("running")
        _tidy()
        self.done()

    def fall(self, why: str) -> None:
        """Give this agent up: it has no start left."""
        state = _read()
        state["starts"] = 0
        state["why"] = why
        _write(state)
        reset(self.node)

    def forgive(self) -> None:
        state = _read()
        state.pop("fell", 0)
        _write(state)


def begin(node) -> None:
    """Add the agent to the services of a node, if it has come as a package or one was given up."""
    node.feed = getattr(sys.modules.get("slots"), "feed", None)  # an older `slots.py` has none
    state = _read()
    if state.get("trial", "") != running() and "trial" in state:  # `slots.py` could not start it
        state["fell"] = state.pop("trial")
        state["why"] = "could not be started"
        try:
            _write(state)
        except OSError:  # the flash is full: at the next start, then
            pass
    if state.get("trial") or state.get("slot") or state.get("fell"):
        one = Agent(node, state)
        node.services[one.name] = one
        if "trial" not in state:
            _tidy()
    if keystore.exists("/agent/firmware"):
        from . import spare

        spare.begin(node)


def watch() -> None:
    """Say that the agent's own watchdog runs from now on, in place of a guard that is the same
    hardware: see `slots.py`.
    """
    state = _read()
    if state.get("dog"):
        state["dog"] = 0
        try:
            _write(state)
        except OSError:  # the flash is full: each reset by the watchdog ends the trial
            pass


def _tidy() -> None:
    """Remove the agent in `/lib`: another one was confirmed."""
    from . import recovery

    if running():
        recovery.remove("/lib/nlsm")
        recovery.remove("/lib/sealcore")


def reset(node) -> None:
    """Reset the board, and blame no service for it."""
    from . import board

    node.land()
    board.reset()


def _other() -> str:
    return "/agent/b" if running() == "a" else "/agent/a"


def take(link, name: str, seal: bytes, files) -> bool:
    """Take the site seal of an agent. Return False if its files are to be fetched.

    Otherwise it is the agent that runs, or this board can't take it: it is refused before anything
    is fetched.
    """
    from . import download, installer, recovery, verifier

    node = link.node
    state = _read()
    if busy(node, name):
        return True
    one = node.services.get(name) or service.Service(name)
    wanted = b"".join([digest for file, _, digest in files if file == _IMAGE])
    place = "/agent/" + (state.get("slot") or "none")
    try:
        if not keystore.exists("/lib/slots.mpy"):
            raise errors.UnsupportedBoard("no slots: agent in firmware, or provisioned long ago")
        if "fell" in state and download.digest("/agent/%s/%s" % (state["fell"], _IMAGE)) == wanted:
            raise fallen(state)
        if all(download.digest(place + "/" + file) == digest for file, _, digest in files):
            found = verifier.check(place, name, node.clock, seal, "agent")
            keystore.write(place + "/site.der", seal)
            one.serial = found.serial.to_bytes(16, "big")
            state[state["slot"]][1] = one.serial.hex()
            _write(state)
            link.report(one)
            return True
        recovery.remove(_other())
        if not keystore.exists(keystore.INCOMING + "/" + name):
            _check_room(files)
    except errors.SealError as error:
        node.services[name] = one
        installer.refuse(node, one, error, seal, "")
        return True
    return False


def busy(node, name: str) -> bool:
    """Tell whether something is on trial; then the package of this name comes afterwards."""
    for one in node.services.values():
        if one.state == "installing" and hasattr(one, "after"):
            one.after.append(name)
            return True
    return False


def _check_room(files) -> None:
    found = os.statvfs("/")
    free = found[0] * found[3]
    size = sum([size for _, size, _ in files])
    if free < size + _SPARE:
        raise errors.TooLarge("flash: %d bytes are free, the agent has %d" % (free, size))


def offer(node, name: str, _files) -> None:
    """Check the agent in incoming/NAME. If it passes, the board starts it on trial."""
    from . import fitness, installer, recovery, verifier

    folder = keystore.INCOMING + "/" + name
    one = node.services.get(name) or service.Service(name)
    try:
        seal = verifier.check(folder, name, node.clock, None, "agent")
        fitness.look(folder + "/")
    except errors.SealError as error:
        node.services[name] = one
        installer.refuse(node, one, error, keystore.read(folder + "/site.der"), folder)
        recovery.remove(folder)
        return
    memory.free()
    start(node, name, seal)
    reset(node)


def start(node, name: str, seal) -> None:
    """Put the agent in incoming/NAME, which was checked, into the other slot, on trial."""
    from . import recovery

    state = _read()
    place = _other()
    if state.pop("fell", ""):
        _write(state)  # what fell is removed next
    recovery.remove(place)
    mark()
    os.rename(keystore.INCOMING + "/" + name, place)
    serial = seal.serial.to_bytes(16, "big").hex()
    slot = state["slot"] = running()
    if slot:  # a damaged state has no entry for what runs
        state.setdefault(slot, [name, "", "", 0])
    state["trial"] = place[-1]
    state["starts"] = _STARTS
    state["why"] = ""
    state["ran"] = ran(node)
    state[place[-1]] = [name, serial, seal.service_version, seal.security_version]
    _write(state)


def mark() -> None:
    """Have `main.py` look at the state from now on."""
    from . import recovery

    recovery.make("/agent")
    if not keystore.exists(_MARK):
        keystore.write(_MARK, b"")


def ran(node) -> list:
    """Return the names of the services that run: they must run again by the end of a trial."""
    return [one.name for one in node.services.values() if one.state == "running" and one.tasks]
