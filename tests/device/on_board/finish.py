"""Services that were stopped in order to do something with them."""

from fakes import Node as Bare
from fakes import Task
from fakes import have as have_one

from nlsm import installer, recovery


class Node(Bare):
    """A node that tells when it checks its services."""

    @staticmethod
    def check():
        print("check")


class Link:
    """A link that tells what is reported."""

    @staticmethod
    def report(one):
        print("report", one.name, len(one.serial))


def have(name, then, done):
    """Let there be a service that was stopped to do `then`; `done`: nothing of it runs any more."""
    one = have_one(Node, name)
    one.serial, one.offered = b"s" * 16, b"new"
    one.tasks = [Task(True, done)]
    one.then = then


def swap(name, checked):
    print("swap", name, checked)


def full(name, checked):
    """Find no room on the flash, once."""
    recovery.swap = swap
    raise OSError(28)


def finish():
    """Do what is to be done, and print what is left to do."""
    installer.finish(Node)
    print([(name, Node.services[name].then) for name in sorted(Node.services)])


Node.link = Link
recovery.drop = lambda name: print("drop", name)
recovery.swap = swap
