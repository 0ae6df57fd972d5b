"""Detection of two boards that claim to be one node: a cloned flash, or a stolen key.

A node has one connection. Two boards with the same key take it from each other forever, and each
of them sees only that its connection ends.
"""

from __future__ import annotations

from collections import deque

WINDOW = 3600.0  # seconds
_RETURNS = 2
_REPLACED = 8


class Twins:
    """A record of replaced connections by node.

    One board alone may replace its own connection too, if that broke and nobody noticed. It does so
    from one address, and rarely.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, str]]] = {}

    def replaced(self, node: str, older: str, newer: str, now: float) -> bool:
        """Note that a new connection has replaced one that was still open.

        Args:
            node: name of the node.
            older: network address of the replaced connection.
            newer: network address of the new connection.
            now: seconds of a monotonic clock.

        Returns: whether two boards are likely: the addresses alternated, or connections were
            replaced often. Counting then starts again.
        """
        seen = self._seen.setdefault(node, deque([(now, older)], maxlen=_REPLACED + 1))
        seen.append((now, newer))
        while seen and now - seen[0][0] > WINDOW:
            seen.popleft()
        addresses = [address for _, address in seen]
        triples = zip(addresses, addresses[1:], addresses[2:], strict=False)
        returns = sum(first == third != second for first, second, third in triples)
        if returns >= _RETURNS or len(addresses) > _REPLACED:
            del self._seen[node]
            return True
        return False
