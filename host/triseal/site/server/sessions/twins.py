"""Notices two boards that claim to be one node: a cloned flash, or a key that was stolen.

A node has one connection. Each of two boards takes it from the other, for ever, and neither sees
more than a connection that ends.
"""

from __future__ import annotations

from collections import deque

WINDOW = 3600.0  # seconds
_RETURNS = 2
_REPLACED = 8


class Twins:
    """What becomes of the connections of each node. A board may replace its own connection, when
    that broke and nobody has noticed; it does so from one address, and now and then."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, str]]] = {}

    def replaced(self, node: str, older: str, newer: str, now: float) -> bool:
        """A connection has taken the place of one that was still there.

        Args:
            node: whose.
            older, newer: the addresses that they came from.
            now: seconds of a clock that never goes back.

        Returns: whether two boards are likely: the addresses went back and forth, or it was often.
            Then counting begins anew.
        """
        seen = self._seen.setdefault(node, deque([(now, older)], maxlen=_REPLACED + 1))
        seen.append((now, newer))
        while seen and now - seen[0][0] > WINDOW:
            seen.popleft()
        places = [place for _, place in seen]
        returns = sum(a == c != b for a, b, c in zip(places, places[1:], places[2:], strict=False))
        if returns >= _RETURNS or len(places) > _REPLACED:
            del self._seen[node]
            return True
        return False
