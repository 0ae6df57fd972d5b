"""A node whose site offers settings; it prints what it does with them."""

import json

from fakes import NOW
from fakes import Node as Bare

from nlsm import keystore, settle, trust
from sealcore import errors, settings

FILES = {}
OFFER = [1, NOW, b"{}"]


class Own:
    """What the node's own files say."""

    site_keys, site = "keys", "home"


class Node(Bare):
    """A node with settings from its provisioning."""


class Link:
    """A link that tells when it is dropped."""

    node = Node
    turn = 3

    @staticmethod
    def drop():
        print("drop")

    @staticmethod
    def say(code, error):
        print("say", code)


def write(path, data):
    FILES[path] = data


def read(der, keys, site, node, had):
    if OFFER[0] <= had:
        raise errors.Rollback
    return tuple(OFFER)


def begin(**given):
    """Let these settings lie on flash, and in memory."""
    FILES[keystore.ROOT + "/settings.json"] = json.dumps(given).encode()
    Node.settings = dict(given)


def offer(version, values):
    """Let the site offer settings, and print what the node has then."""
    OFFER[0], OFFER[2] = version, json.dumps(values).encode()
    try:
        settle.take(Link, b"der")
    except errors.SealError as error:
        print("!", error.code)
    show()


def show():
    print(*sorted(Node.settings.items()), "trial" if Node.offered else "-")


def flash():
    print(*sorted(json.loads(FILES[keystore.ROOT + "/settings.json"]).items()))


trust.load = lambda: Own
keystore.write = write
keystore.read = lambda path, most=0: FILES.get(path, b"")
settings.read = read
begin(grace=5)
