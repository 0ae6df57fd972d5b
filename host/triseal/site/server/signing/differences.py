"""The differences between packages of a service, computed once and remembered."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select

from triseal import difference
from triseal.difference import Extent
from triseal.site.records import tables

# Larger files are sent whole: the thread that signs compares two of this size in 0.05 s, and
# renewals wait meanwhile.
LARGEST = 1 << 18
_MOST = 16  # pairs of packages; a rollout of one service needs one or two
# A request for a difference is longer than one for a chunk. So the difference must save something.
_WORTH = 16

_table = tables.packages.c
_SIZE = select(func.length(_table.executable)).where(
    _table.digest == bindparam("wanted"), _table.service == bindparam("of")
)
_BYTES = select(_table.executable).where(_table.digest == bindparam("wanted"))


class Differences:
    """What the executables of packages have in common. Only one thread may use it.

    Attributes:
        computed: how many it has computed.
    """

    def __init__(self) -> None:
        self.computed = 0
        self._known: dict[tuple[bytes, bytes], list[Extent]] = {}

    def of(self, connection: Connection, service: str, held: bytes, package: bytes) -> list[Extent]:
        """Return what the executable of a package has in common with that of an earlier one.

        Args:
            connection: a reading transaction.
            service: name of the service that both packages are of.
            held: digest of the package that a node says it has.
            package: digest of the package that it wants.

        Returns: the parts that are equal, by rising offset; none if the site has no such earlier
            package, if one of the two is large, or if they have too little in common.
        """
        key = held, package
        found = self._known.pop(key, None)
        if found is None:
            for digest in key:
                size = connection.execute(_SIZE, {"wanted": digest, "of": service}).scalar()
                if size is None or size > LARGEST:
                    return []
            found = self._compute(connection, held, package)
            if len(self._known) == _MOST:
                del self._known[next(iter(self._known))]  # which was asked for longest ago
        self._known[key] = found
        return found

    def _compute(self, connection: Connection, held: bytes, package: bytes) -> list[Extent]:
        self.computed += 1
        old, new = (
            bytes(connection.execute(_BYTES, {"wanted": digest}).scalar_one())
            for digest in (held, package)
        )
        found = difference.extents(old, new)
        return found if _WORTH * sum(one.length for one in found) > len(new) else []
