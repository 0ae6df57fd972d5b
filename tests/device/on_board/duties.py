"""A link whose node tells each check, write and answer instead of making it."""

from fakes import NOW
from fakes import Node as Bare
from fakes import have as have_one

from nlsm import (
    download,
    duties,
    enrol,
    installer,
    keystore,
    recovery,
    starter,
    timing,
    trust,
)
from sealcore import delta, errors, identity, keys, messages

KEY = b"public key"


class Own:
    """What the node's own files say."""

    node, site, spki, site_keys, bundle = "kitchen", "home", KEY, "keys", (7, b"mark")
    renew_at, signed = NOW + 9, NOW - 50


class Node(Bare):
    """A node that knows the time and tells what it is called for."""

    bundle = (1, bytes(16))
    followers = ()

    @staticmethod
    def recheck():
        print("check")

    @staticmethod
    def hold(ms):
        print("hold")


class Link:
    """A link after WELCOME that tells what is said on it."""

    node = Node
    greeted = True
    peer = question = download = None
    renewed = ()
    log = "log"

    @staticmethod
    def answered(name, again=None):
        print("answered", name, again and again - NOW)

    @staticmethod
    def report(one):
        print("report", one.name, one.state)

    @staticmethod
    def ask(names):
        print("ask", *names)

    @staticmethod
    def send(message):
        kind, values = messages.parse(message)
        if kind == messages.FACTS:
            print("facts", *values[:2])
        else:
            print("send", kind, values)

    @staticmethod
    def drop():
        print("drop")

    @staticmethod
    def say(code, error):
        print("say", code)

    @staticmethod
    def doubt_time():
        print("doubt")

    @staticmethod
    def helped(seconds):
        print("helped", seconds)


class Download:
    """A download that tells what is to be fetched."""

    def __init__(self, link):
        pass

    def add(self, name, seal, files):
        print("fetch", name)

    def more(self):
        print("more")


def renew(node, one, seal):
    print("renew", one.name, seal)
    if seal == b"bad":
        raise errors.BadSignature
    if seal == b"old":
        raise errors.Expired


def check_time(peer, now):
    print("peer", now - NOW)


Node.clock.set(NOW, 0)
trust.load = lambda: Own
trust.changed = lambda: print("changed")
installer.renew = renew
installer.refuse = lambda node, one, error, seal, folder: print("refuse", one.name, error.code)
installer.recheck = lambda node, one: print("recheck", one.name)
starter.site_seal = lambda one: b"kept"
delta.apply = lambda seal, serial, begin, end, signature: signature
download.Download = Download
download.check_files = lambda files, _: print("files")
download.digest = lambda path: path[-1]
keystore.write = lambda path, data: print("write", path, data)
keystore.read = lambda path, limit: REQUEST  # noqa: F821 - a row of the test sets it
recovery.make = lambda path: print("make", path)
recovery.remove = lambda path: print("remove", path)
enrol.accept = lambda: print("accept")
enrol.make_request = lambda node, extra: print("key", node, extra) or b"request"
enrol.prove = lambda node, nonce: print("prove", node, len(nonce)) or b"proof"
timing.take = lambda *rest: print("time", rest[2])
keys.check_time = check_time
identity.parse = lambda der: der
identity.check = lambda new, keys, uri, now: print("certificate", keys, uri, now - NOW)


def have(*names):
    """Let services run on the node."""
    for name in names:
        have_one(Node, name).serial = b"serial"


def take(kind, *values):
    """Let a message come, and check the renewals that it brings."""
    try:
        duties.take(Link, kind, values)
        while Link.renewed:
            duties.renew(Link, *Link.renewed.pop(0))
    except errors.SealError as error:
        print("!", error.code)
