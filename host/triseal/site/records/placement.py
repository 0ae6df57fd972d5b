"""A service on a node: the key of most tables of the site."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A service on a node.

    Attributes:
        node: name of the node.
        service: name of the service.
    """

    node: str
    service: str
