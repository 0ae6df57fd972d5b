"""Which versions of the protocol between nodes and their site are served: `common/PROTOCOL.md`."""

from __future__ import annotations

from sealcore import messages

# The version of this release, and that of the last one. The agents of that release renew their
# seals here until they are replaced.
SERVED = frozenset({messages.PROTOCOL})
