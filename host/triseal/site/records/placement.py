"""A service on a node: the key of most tables of the site."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A service on a node.

    Attributes:
        node: name of the node.
        service: name of the service.
    """

    node: str
    service: str
