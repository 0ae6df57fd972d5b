"""The guard of a trial: `slots.py` starts it before it starts what may hang."""

from __future__ import annotations

import pytest

from tests.device.on_micropython import run

# (what happens, and what is printed)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("a timer, where the watchdog can't wait for so long",
     "trial()\nstart()\nprint(slots.feed is None)",
     "timer of 385000 trial=a starts=2 why= False"),
    ("it waits for longer than the trial", "put('/triseal/settings.json', {'trial': 12})\n"
     "trial()\nstart()", "timer of 25000 trial=a starts=2 why="),
    ("damaged settings", "put('/triseal/settings.json', ['trial'])\ntrial()\nstart()",
     "timer of 385000 trial=a starts=2 why="),
    ("the agent's loop feeds the timer", "trial()\nstart()\nslots.feed()\nslots.feed()\n"
     "print(Machine.Timer.inits)", "timer of 385000 trial=a starts=2 why= 3"),
    ("when it goes off, no start is left",
     "trial()\nstart()\nMachine.goes_off(None)\nprint(Machine.resets)\nstart()",
     "timer of 385000 trial=a starts=2 why= 1 fell=a why=hung"),
    ("what is known of an earlier start gives way",
     "trial(why='ValueError')\nstart()\nMachine.goes_off(None)\nstart()",
     "timer of 385000 trial=a starts=2 why=ValueError fell=a why=hung"),
    ("it resets the board even if the flash is full",
     "def full(_):\n    raise OSError(28)\ntrial()\nstart()\nslots.write = full\n"
     "try:\n    Machine.goes_off(None)\nexcept OSError:\n    print(Machine.resets)",
     "timer of 385000 trial=a starts=2 why= 1"),
    ("a timer does nothing after the trial, or while a person works at the REPL",
     "trial()\nstart()\nslots.feed = None\nMachine.goes_off(None)\nprint(Machine.resets)",
     "timer of 385000 trial=a starts=2 why= 0"),
    ("what fails in any way is no guard, and the start counts",
     "def none(*_, **__):\n    raise RuntimeError\nMachine.WDT = Machine.Timer = none\n"
     "trial()\nstart()\nprint(slots.feed is None)", "trial=a starts=2 why= True"),
    ("a watchdog, where it can",
     "Machine.longest = 1 << 30\ntrial()\nstart()\nslots.feed()\nprint(Machine.WDT.fed)",
     "watchdog of 385000 trial=a starts=2 why= dog=True 1"),
    ("a timer, where the watchdog takes any number and waits for 16 s",
     "class Samd:\n    platform = 'samd'\nslots.sys = Samd\nMachine.longest = 1 << 30\n"
     "trial()\nstart()", "timer of 385000 trial=a starts=2 why="),
    ("a timer, where no cause of a reset is known",
     "del Machine.WDT_RESET\ndel Machine.reset_cause\nMachine.longest = 1 << 30\n"
     "trial()\nstart()\nstart()", "timer of 385000 trial=a starts=2 why= trial=a starts=1 why="),
    ("which has reset the board: no other start",
     "Machine.longest = 1 << 30\ntrial()\nstart()\nstart()\nprint(slots.feed is None)",
     "watchdog of 385000 trial=a starts=2 why= dog=True fell=a why=hung True"),
    ("which has not: the next start",
     "Machine.longest = 1 << 30\nMachine.reset_cause = lambda: 1\ntrial()\nstart()\nstart()",
     "watchdog of 385000 trial=a starts=2 why= dog=True"
     " watchdog of 385000 trial=a starts=1 why= dog=True"),
    ("which the agent has taken over: it may be a service's fault, and costs a start",
     "Machine.longest = 1 << 30\ntrial()\nstart()\nswap.watch()\nstart()",
     "watchdog of 385000 trial=a starts=2 why= dog=True"
     " watchdog of 385000 trial=a starts=1 why=hung dog=True"),
    ("but a start in which it was not taken over is the last one",
     "Machine.longest = 1 << 30\ntrial()\nstart()\nswap.watch()\nstart()\nstart()",
     "watchdog of 385000 trial=a starts=2 why= dog=True"
     " watchdog of 385000 trial=a starts=1 why=hung dog=True fell=a why=hung"),
    ("and all starts are used up by it",
     "Machine.longest = 1 << 30\ntrial(1)\nstart()\nswap.watch()\nstart()",
     "watchdog of 385000 trial=a starts=0 why= dog=True fell=a why=hung"),
    ("what else has reset it says nothing of the watchdog",
     "Machine.longest = 1 << 30\nMachine.reset_cause = lambda: 1\ntrial()\nstart()\n"
     "swap.watch()\nprint(slots.read()['dog'])\nstart()",
     "watchdog of 385000 trial=a starts=2 why= dog=True 0"
     " watchdog of 385000 trial=a starts=1 why= dog=True"),
    ("a full flash does not end the agent that takes it over",
     "def full(*_):\n    raise OSError(28)\nMachine.longest = 1 << 30\ntrial()\nstart()\n"
     "swap.keystore.write = full\nswap.watch()\nstart()",
     "watchdog of 385000 trial=a starts=2 why= dog=True fell=a why=hung"),
    ("an agent takes over no timer, and writes nothing",
     "trial()\nstart()\nswap.keystore.write = None\nswap.watch()\nstart()",
     "timer of 385000 trial=a starts=2 why= trial=a starts=1 why="),
    ("a timer leaves an older agent alone, which was confirmed and does not know it",
     "trial()\nstart()\nput('/agent/state', {'slot': 'a', 'a': ['x', '', '1', 1]})\n"
     "Machine.goes_off(None)\nprint(Machine.resets)", "timer of 385000 trial=a starts=2 why= 0"),
    ("and a firmware", "put('/agent/firmware', {'new': 1})\nstart()\n"
     "put('/agent/firmware', {'is': 1})\nMachine.goes_off(None)\nprint(Machine.resets)",
     "timer of 385000 0"),
    ("without such a watchdog, no cause of a reset counts", "trial()\nstart()\nstart()",
     "timer of 385000 trial=a starts=2 why= trial=a starts=1 why="),
    ("neither", "del Machine.Timer\ntrial()\nstart()\nprint(slots.feed is None)",
     "trial=a starts=2 why= True"),
    ("no hardware at all", "slots.machine = None\ntrial()\nstart()\nprint(slots.feed is None)",
     "trial=a starts=2 why= True"),
    ("the host works at the cable", "put('/triseal/unwatched', 0)\ntrial()\nstart()\n"
     "print(slots.feed is None)", "trial=a starts=2 why= True"),
    ("no trial", "put('/agent/state', {'slot': ''})\nstart()\nprint(slots.feed is None)",
     "True"),
    ("no start is left: the old agent needs no guard", "trial(0)\nstart()\n"
     "print(slots.feed is None)", "fell=a why=not confirmed in three starts True"),
    ("a firmware on trial, and why it was given up",
     "put('/agent/firmware', {'new': 1})\nstart()\nMachine.goes_off(None)\n"
     "print(open('/agent/why').read(), Machine.resets)", "timer of 385000 hung 1"),
    ("a firmware that was confirmed", "put('/agent/firmware', {'is': 1})\nstart()\n"
     "print(slots.feed is None)", "True"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "printed"), ROWS, ids=[row[0] for row in ROWS])
def test_a_trial_is_guarded(sentence: str, code: str, printed: str) -> None:
    assert run("guarded", code).split() == printed.split(), sentence
