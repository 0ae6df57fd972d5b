"""A console whose line a test writes, and which tells what the node sends."""

import binascii

from fakes import Node as Bare
from fakes import Ticks  # noqa: F401 - rows use it

from nlsm import answers, clock, console, duties, enrol, service  # noqa: F401 - rows use it
from sealcore import errors, messages


class Line:
    """What the console reads: it stands for both `select` and `sys`."""

    POLLIN = 1
    data = b""
    stdin = open = None

    @staticmethod
    def poll(*rest):
        return Line.open or Line.data if rest else Line

    @staticmethod
    def register(*rest):
        pass

    @staticmethod
    def read(count):
        byte, Line.data = Line.data[:count], Line.data[count:]
        return byte


class Node(Bare):
    """A node that has not begun to run its services, and tells when it hears the time."""

    bundle = (1, bytes(16))
    cause = "power-on"
    runner = None
    followers = []
    question = clock.Question()
    mark = ""
    clock = clock.Clock(5)

    @staticmethod
    def set_time(signed):
        print("time", len(signed))
        if signed in FULL:
            raise FULL[signed]


NAMES = {
    messages.STATUS: "STATUS",
    messages.HELLO: "HELLO",
    messages.PROOF: "PROOF",
    messages.LOG: "LOG",
    messages.REJECTED: "REJECTED",
}
FULL = {b"m": MemoryError("short"), b"f": OSError("full"), b"s": RuntimeError("deep")}


def send(node, message):
    assert node is Node
    kind, values = messages.parse(message)
    print(NAMES[kind], end=" ")
    if kind == messages.LOG:
        print(len(values[1]))
    if kind == messages.REJECTED:
        print(*values)
    if kind == messages.HELLO:
        heard.append(values[2])


def take(link, kind, values):
    print("duty", kind)
    if values[0] in (b"bad", ["bad"]):
        raise errors.BadSignature
    link.greeted = True


heard = []
Line.stdin = Line
Line.buffer = Line
console.sys = console.select = Line
answers.send = send
duties.take = take
enrol.prove = lambda node, nonce: nonce
c = console.Console(Node)


def put(kind, *values):
    """Write a message onto the line."""
    Line.data += b"~" + binascii.b2a_base64(messages.write(kind, *values))


def go():
    """Let the console take all that is on the line."""
    while Line.data or c._whole:
        c.turn()
        c.take()


ASK = messages.ASK, bytes(16)
WELCOME = messages.WELCOME, b"good", b""
BAD = messages.WELCOME, b"bad", b""
