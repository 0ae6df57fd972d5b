"""Changes of a tree's structure: each takes a root and a source of choices, and changes one place.

Where a tree has no place of the kind that is due, it stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sealcore.encode import element
from tests.host.fuzz import tree
from tests.host.fuzz.tree import Node, walk

Mutation = Callable[[Node, Random], None]

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8, SEQUENCE, SET = 0x0C, 0x30, 0x31
TIMES = (0x17, 0x18)
STRINGS = (0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E, 0x86, 0x82, 0x81)
TAGS = (
    *range(0x1F),
    0x23,
    0x24,
    0x2C,
    SEQUENCE,
    SET,
    *range(0x80, 0x8A),
    *range(0xA0, 0xAA),
    0x41,
)
HIGH_TAGS = (b"\x1f\x02", b"\x3f\x10", b"\x1f\x80\x02", b"\x9f\x00", b"\xbf\x23", b"\x1f")

TIME_TEXTS = (
    "260230000000Z", "250229000000Z", "240229000000Z", "261301000000Z", "260001000000Z",
    "260100000000Z", "260132000000Z", "260101240000Z", "260101006000Z", "260101000060Z",
    "2601010000Z", "260101000000", "260101000000+0000", "260101000000z", "26 101000000Z",
    "+60101000000Z", "2_0101000000Z", "491231235959Z", "500101000000Z", "991231235959Z",
    "20491231235959Z", "20500101000000Z", "99991231235959Z", "20500101000000.5Z",
    "21000229000000Z", "20520229000000Z", "205001010000Z", "00000101000000Z", "20500101000000+0100",
    "２60101000000Z", "",
)  # fmt: skip
TEXTS = (
    b"", b"\x00", b"a\x00b", b"\xff", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
    b"\xef\xbb\xbfa", b"\xe2\x82", b"\xf0\x9f\x92\xa9", b"\xd8\x00\x00a", b"\x00a\xd8\x00", b"a",
    b"a*b", b"a@b", b"\x00\x11\x00\x00", b"  A  b ", b"A" * 65, b"a" * 200, b"UPPER", b"..", b"\n",
)  # fmt: skip
OIDS = (
    b"", b"\x80\x01", b"\x55\x80\x1d\x0f", b"\x55\x1d\x8f", b"\x55\x1d", b"\x55\x1d\x0f\x00",
    b"\x55" + b"\xff" * 20 + b"\x7f", b"\x00", b"\x7f", b"\x81\x34\x03", b"\xff" * 9 + b"\x7f",
)  # fmt: skip
EXTENSION_KINDS = (
    b"\x55\x1d\x0e", b"\x55\x1d\x0f", b"\x55\x1d\x11", b"\x55\x1d\x13", b"\x55\x1d\x23",
    b"\x55\x1d\x25", b"\x55\x1d\x38", b"\x2a\x03\x04\x05",
)  # fmt: skip
EXTENSION_VALUES = (
    b"", b"\x05\x00", b"\x05\x01\x00", b"\x30\x00", b"\x30\x80\x00\x00", b"\x30\x03\x01\x01\xff",
    b"\x30\x03\x01\x01\x00", b"\x30\x03\x01\x01\x01", b"\x30\x06\x01\x01\xff\x02\x01\x00",
    b"\x30\x06\x01\x01\xff\x02\x01\xff", b"\x30\x07\x01\x01\xff\x02\x02\x00\x01",
    b"\x30\x03\x02\x01\x00", b"\x30\x0b\x01\x01\xff\x02\x06\x01\x00\x00\x00\x00\x00",
    b"\x03\x02\x07\x80", b"\x03\x02\x00\x80", b"\x03\x01\x00", b"\x03\x02\x08\x80", b"\x03\x00",
    b"\x03\x02\x05\xa0\x00", b"\x03\x03\x07\x00\x80", b"\x03\x03\x07\x80\x00", b"\x03\x02\x06\x80",
    b"\x03\x05\x07\x00\x00\x00\x80", b"\x23\x04\x03\x02\x07\x80", b"\x04\x00", b"\x04\x01a",
    b"\x04\x41" + bytes(65), b"\x24\x03\x04\x01a", b"\x30\x02\x80\x00", b"\x30\x03\x80\x01a",
    b"\x30\x03\x82\x01a", b"\x30\x03\x82\x01\xff", b"\x30\x02\x82\x00",
    b"\x30\x06\x87\x04\x01\x02\x03\x04",
    b"\x30\x07\x87\x05\x01\x02\x03\x04\x05", b"\x30\x03\x88\x01\x80", b"\x30\x04\xa4\x02\x30\x00",
    b"\x30\x02\xa4\x00", b"\x30\x04\x84\x02\x30\x00", b"\x30\x03\x89\x01a",
    b"\x30\x07\xa0\x05\x06\x01\x2a\x05\x00",
    b"\x30\x03\x06\x01\x2a", b"\x30\x02\x06\x00", b"\x30\x04\x06\x02\x2a\x80",
    b"\x30\x09\xa0\x07\x06\x01\x2a\xa0\x02\x05\x00", b"\x30\x05\x82\x03\x01\x02\x03",
    b"\x30\x07\xa1\x02\x82\x00\x82\x01\x01",
)  # fmt: skip


def _parent(root: Node, rng: Random) -> list[Node] | None:
    """The children of some element that has any."""
    found = [node.children for node in walk(root) if node.children]
    return rng.choice(found) if found else None


def _leaf(root: Node, rng: Random, *tags: int) -> Node | None:
    """Some element without children; of these tags, if any are given."""
    found = [n for n in walk(root) if n.children is None and (not tags or n.tag[0] in tags)]
    return rng.choice(found) if found else None


def _any(root: Node, rng: Random) -> Node:
    return rng.choice(list(walk(root)))


def drop(root: Node, rng: Random) -> None:
    """One element less."""
    if (parent := _parent(root, rng)) is not None:
        del parent[rng.randrange(len(parent))]


def duplicate(root: Node, rng: Random) -> None:
    """One element twice, side by side or at the end."""
    if (parent := _parent(root, rng)) is not None:
        i = rng.randrange(len(parent))
        parent.insert(rng.choice((i, len(parent))), tree.clone(parent[i]))


def swap(root: Node, rng: Random) -> None:
    """Two neighbours change places."""
    if (parent := _parent(root, rng)) is not None and len(parent) > 1:
        i = rng.randrange(len(parent) - 1)
        parent[i : i + 2] = parent[i + 1], parent[i]


def transplant(root: Node, rng: Random) -> None:
    """An element from elsewhere is inserted, or takes another's place."""
    other = tree.clone(_any(root, rng))
    if (parent := _parent(root, rng)) is not None:
        i = rng.randrange(len(parent))
        parent[i : i + rng.randrange(2)] = [other]


def insert_small(root: Node, rng: Random) -> None:
    """A small element of some type is inserted."""
    small = (
        b"\x05\x00",
        b"\x01\x01\x00",
        b"\x01\x01\xff",
        b"\x02\x01\x00",
        b"\x30\x00",
        b"\x04\x00",
        b"\x00\x00",
    )
    if (parent := _parent(root, rng)) is not None:
        octets = rng.choice(small)
        parent.insert(rng.randrange(len(parent) + 1), Node(octets[:1], octets[2:]))


def retag(root: Node, rng: Random) -> None:
    """Another tag: of another type, another class, constructed or not, or a high tag number."""
    node = _any(root, rng)
    tag = node.tag[0]
    choices = (rng.choice(TAGS), tag ^ 0x20, tag ^ 0x40, tag ^ 0x80, tag ^ 1 << rng.randrange(5))
    node.tag = rng.choice(HIGH_TAGS) if rng.random() < 0.1 else bytes((rng.choice(choices),))


def relength(root: Node, rng: Random) -> None:
    """A length that is not minimal, indefinite or wrong."""
    node = _any(root, rng)
    node.form = rng.choice(("indefinite", "padded", "long", "off"))
    node.slack = rng.choice(
        (1, 2, 3, 4, 120) if node.form == "padded" else (-2, -1, 1, 2, 200, 70000)
    )


def trail(root: Node, rng: Random) -> None:
    """Octets at the end of a value, or behind an element."""
    node = _any(root, rng)
    octets = rng.choice(
        (b"\x00", b"\x00\x00", b"\x05\x00", b"\x30\x00", b"\xff", bytes(rng.randbytes(3)))
    )
    if rng.random() < 0.5:
        node.tail += octets
    else:
        node.behind += octets


def octets(root: Node, rng: Random) -> None:
    """A value's bytes: one flipped, added or lost, or all of them others."""
    node = _leaf(root, rng)
    if node is None:
        return
    value = bytearray(node.value)
    i = rng.randrange(len(value) + 1)
    how = rng.randrange(4)
    if how == 0 and i < len(value):
        value[i] ^= 1 << rng.randrange(8)
    elif how == 1:
        value.insert(i, rng.randrange(256))
    elif how == 2:
        del value[i : i + 1]
    else:
        value[:] = rng.choice((b"", rng.randbytes(len(value)), bytes(len(value)), value * 2))
    node.value = bytes(value)


def integer(root: Node, rng: Random) -> None:
    """An integer padded, empty, negative or of any size."""
    node = _leaf(root, rng, INTEGER)
    if node is not None:
        size = rng.choice((1, 2, 4, 8, 9, 16, 20, 21, 33, 257, 600))
        node.value = rng.choice(
            (b"\x00" + node.value, b"\xff" + node.value, b"", b"\x00", b"\xff", b"\x80",
             rng.randbytes(size), b"\x7f" + bytes(size), b"\x00\xff" + bytes(size))
        )  # fmt: skip


def boolean(root: Node, rng: Random) -> None:
    """A boolean that DER does not know, or the one that is the DEFAULT."""
    node = _leaf(root, rng, BOOLEAN)
    if node is not None:
        node.value = rng.choice((b"\x00", b"\x01", b"\xfe", b"\xff\xff", b"", b"\xff"))


def bits(root: Node, rng: Random) -> None:
    """Another number of unused bits, or none said."""
    found = [node for node in walk(root) if node.tag[0] == BIT_STRING]
    if found:
        node = rng.choice(found)
        lead = rng.choice((b"", b"\x00", b"\x01", b"\x07", b"\x08", b"\xff", b"\x80"))
        if node.children is None:
            node.value = lead + node.value[1:]
        else:
            node.lead = lead


def text(root: Node, rng: Random) -> None:
    """Other bytes in a string, or another type of string."""
    node = _leaf(root, rng, *STRINGS)
    if node is not None:
        if rng.random() < 0.6:
            node.value = rng.choice(TEXTS)
        if rng.random() < 0.5:
            node.tag = bytes((rng.choice(STRINGS),))


def time(root: Node, rng: Random) -> None:
    """Another time, of either type."""
    node = _leaf(root, rng, *TIMES)
    if node is not None:
        node.tag = bytes((rng.choice(TIMES),))
        if rng.random() < 0.8:
            node.value = rng.choice(TIME_TEXTS).encode()


def identifier(root: Node, rng: Random) -> None:
    """Another object identifier, mostly a malformed one."""
    node = _leaf(root, rng, OID)
    if node is not None:
        node.value = rng.choice((*OIDS, *EXTENSION_KINDS))


def split(root: Node, rng: Random) -> None:
    """A string in pieces, as BER may have it."""
    node = _leaf(root, rng, BIT_STRING, OCTET_STRING, *STRINGS)
    if node is not None and node.tag[0] < 0x80:
        i = rng.randrange(len(node.value) + 1)
        pieces = (node.value[:i], node.value[i:])
        node.children = [Node(node.tag, piece) for piece in pieces]
        node.tag = bytes((node.tag[0] | 0x20,))


def nest(root: Node, rng: Random) -> None:
    """An element within many others."""
    if (parent := _parent(root, rng)) is not None:
        i = rng.randrange(len(parent))
        tag = rng.choice((SEQUENCE, SET, 0xA0, 0xA3))
        octets = tree.encode(parent[i])
        for _ in range(rng.choice((0, 1, 40, 300))):
            octets = element(tag, octets)
        parent[i] = Node(bytes((tag,)), octets)


def _is_extension(node: Node) -> bool:
    inside = node.children or []
    return (
        node.tag[0] == SEQUENCE
        and len(inside) in (2, 3)
        and inside[0].tag[0] == OID
        and inside[-1].tag[0] == OCTET_STRING
    )


def _extensions(root: Node) -> list[Node] | None:
    for node in walk(root):
        if node.children and all(map(_is_extension, node.children)):
            return node.children
    return None


def _extension(kind: bytes, critical: bytes | None, value: bytes) -> Node:
    flag = [] if critical is None else [Node(b"\x01", critical)]
    return Node(b"\x30", children=[Node(b"\x06", kind), *flag, Node(b"\x04", value)])


def extension(root: Node, rng: Random) -> None:
    """Extensions: another order, one twice, unknown ones, none at all, critical or not."""
    found = _extensions(root)
    if found is None:
        return
    how = rng.randrange(6)
    one = rng.choice(found)
    if how == 0:
        rng.shuffle(found)
    elif how == 1:
        found.insert(rng.randrange(len(found) + 1), tree.clone(one))
    elif how == 2:
        found.clear()
    elif how == 3:
        found.extend(
            _extension(b"\x2a\x03" + bytes((i,)), rng.choice((None, b"\xff")), b"\x05\x00")
            for i in range(rng.choice((1, 20, 40)))
        )
    elif one.children is not None and len(one.children) == 3:
        one.children[1:2] = rng.choice(([], [Node(b"\x01", rng.choice((b"\x00", b"\x01")))]))
    elif one.children is not None:
        one.children.insert(1, Node(b"\x01", rng.choice((b"\xff", b"\x00", b"\x01"))))


def extension_value(root: Node, rng: Random) -> None:
    """An extension of a known kind with some value takes one's place, or is added."""
    found = _extensions(root)
    if found is not None:
        kind, value = rng.choice(EXTENSION_KINDS), rng.choice(EXTENSION_VALUES)
        made = _extension(kind, rng.choice((None, b"\xff")), value)
        same = [i for i, one in enumerate(found) if one.children and one.children[0].value == kind]
        if same and rng.random() < 0.9:
            found[same[0]] = made
        else:
            found.append(made)


def attribute(root: Node, rng: Random) -> None:
    """A name gets one more attribute, in order or not, or one more set of them, full or empty."""
    found = [node for node in walk(root) if node.tag[0] == SET and node.children]
    if not found:
        return
    node = rng.choice(found)
    kind = Node(
        b"\x06", rng.choice((b"\x55\x04\x03", b"\x55\x04\x0a", b"\x55\x04\x06", b"\x2a\x03"))
    )
    value = Node(bytes((rng.choice((*STRINGS, *TAGS)),)), rng.choice(TEXTS))
    made = Node(b"\x30", children=[kind, value])
    children = node.children or []
    children.insert(rng.randrange(len(children) + 1), made)
    if rng.random() < 0.3:
        children.clear()


MUTATIONS: tuple[Mutation, ...] = (
    drop, duplicate, swap, transplant, insert_small, retag, relength, trail, octets, integer,
    boolean, bits, text, time, identifier, split, nest, extension, extension_value, attribute,
)  # fmt: skip
