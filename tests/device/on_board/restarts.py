"""A service `one` that has failed, and fails again as soon as it is started again."""

from fakes import Task, Ticks  # noqa: F401 - rows use Task
from watch import Node, have

from nlsm import agent, clock, installer


def fails(one):
    one.set("failed", "ValueError")
    one.tasks = []
    one.then = ""


def look(*moments):
    """Look at these seconds; print how often it was started by then, and what is to follow."""
    for moment in moments:
        Ticks.now = moment * 1000
        agent.watch(Node)
        one = Node.services["a"]
        print(moment, one.restarts, one.then or "-")
        if one.then:
            one.began = clock.ms()
            fails(one)


installer.finish = lambda node: None
one = have("a", 1000000)
one.began = 0
fails(one)
