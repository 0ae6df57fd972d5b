"""DER as a tree whose every part can be changed, lengths and tags included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CONSTRUCTED = 0x20
BIT_STRING = 0x03
OCTET_STRING = 0x04


@dataclass
class Node:
    """One element.

    Attributes:
        tag: identifier bytes; DER of certificates has one.
        value: of a primitive element that holds no DER itself.
        children: None for such an element; else the elements inside, in an OCTET STRING or BIT
            STRING as well.
        lead: bytes before the children: the unused bits of a BIT STRING.
        tail: bytes behind the children or the value.
        form: how the length is written: "der", "indefinite", "padded" (with leading zeros), "long"
            (bytes after a count where one alone would do) or "off" (a wrong number).
        slack: how many zeros are padded, or how far the number is off.
        behind: bytes after the element, counted to nobody.
    """

    tag: bytes
    value: bytes = b""
    children: list[Node] | None = None
    lead: bytes = b""
    tail: bytes = b""
    form: str = "der"
    slack: int = 0
    behind: bytes = b""

    def content(self) -> bytes:
        """The bytes behind the header."""
        inside = self.value if self.children is None else b"".join(map(encode, self.children))
        return self.lead + inside + self.tail


def encode(node: Node) -> bytes:
    """The bytes of a tree."""
    content = node.content()
    if node.form == "indefinite":
        return node.tag + b"\x80" + content + bytes(2) + node.behind
    return node.tag + _length(node, len(content)) + content + node.behind


def _length(node: Node, length: int) -> bytes:
    if node.form == "off":
        length = max(0, length + node.slack)
    if length < 0x80 and node.form in ("der", "off"):
        return bytes((length,))
    octets = length.to_bytes(max(1, (length.bit_length() + 7) // 8), "big")
    if node.form == "padded":
        octets = bytes(node.slack) + octets
    return bytes((0x80 | len(octets),)) + octets


class NoTree(Exception):
    """These bytes are not DER."""


def decode(data: bytes) -> Node:
    """The tree of one element that is valid DER of low tag numbers.

    Raises:
        NoTree: it is not.
    """
    found = _decode_all(data)
    if len(found) != 1:
        raise NoTree
    return found[0]


def _decode_all(data: bytes) -> list[Node]:
    found = []
    while data:
        head, length = _header(data)
        if head + length > len(data):
            raise NoTree
        found.append(_node(data[:1], data[head : head + length]))
        data = data[head + length :]
    return found


def _header(data: bytes) -> tuple[int, int]:
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise NoTree
    if data[1] < 0x80:
        return 2, data[1]
    head = 2 + (data[1] & 0x7F)
    return head, int.from_bytes(data[2:head], "big")


def _node(tag: bytes, value: bytes) -> Node:
    if tag[0] & CONSTRUCTED:
        return Node(tag, children=_decode_all(value))
    lead = value[:1] if tag[0] == BIT_STRING else b""
    if tag[0] in (BIT_STRING, OCTET_STRING) and len(value) > len(lead) + 1:
        try:
            return Node(tag, children=[decode(value[len(lead) :])], lead=lead)
        except NoTree:
            pass
    return Node(tag, value)


def clone(node: Node) -> Node:
    """A copy that shares nothing that can change."""
    inside = None if node.children is None else [clone(one) for one in node.children]
    made = Node(node.tag, node.value, inside, node.lead, node.tail)
    made.form, made.slack, made.behind = node.form, node.slack, node.behind
    return made


def walk(node: Node) -> Iterator[Node]:
    """All elements, the root first."""
    pending = [node]
    while pending:
        one = pending.pop()
        yield one
        pending.extend(reversed(one.children or []))
