"""What one connection may cost: seconds, octets, messages. Beyond it, it alone suffers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from sealcore import messages

_OFTEN = 16  # times that all services of a node may be sealed within a lifetime


@dataclass(frozen=True)
class Limits:
    """Bounds of the server.

    Attributes:
        connections: nodes that may be connected at once.
        handshakes: TLS handshakes that may be under way at once.
        handshake_seconds: for a TLS handshake.
        hello_seconds: from the end of the handshake to a whole HELLO; at a serial line, for the
            proof of a key.
        frame_seconds: from a frame's first octet to its last.
        write_seconds: for the other end to take what was sent.
        stop_seconds: for connections to end when the server stops.
        burst: units of work that a node may ask for at once; a seal or a frame is one, a
            certificate many.
        rate: units per second in the long run.
        enrol_burst, enrol_rate: the same, for all boards without a certificate together; an ENROL
            is one unit.
        kept_burst, kept_rate: the same for what the ledger keeps of a node for months: a seal is
            one unit, a certificate many. See `for_lifetime`.
        write_octets: sent but not taken, beyond which nothing more is produced for a node.
        line_seconds: for a node at a serial line to answer, or to take what was sent: it may be
            checking seals, and does nothing else meanwhile.
        quiet_seconds: without a message from it, after which a node at a line is asked whether it
            is there.
    """

    connections: int = 4096
    handshakes: int = 128
    handshake_seconds: float = 10.0
    hello_seconds: float = 10.0
    frame_seconds: float = 20.0
    write_seconds: float = 20.0
    stop_seconds: float = 5.0
    burst: int = 256
    rate: float = 64.0
    enrol_burst: int = 64
    enrol_rate: float = 16.0
    kept_burst: int = _OFTEN * messages.MAX_LIST
    kept_rate: float = 0.2
    write_octets: int = 2 * messages.MAX_FRAME
    line_seconds: float = 120.0
    quiet_seconds: float = 20.0

    def for_lifetime(self, seconds: int) -> Limits:
        """These for a site whose seals live so long: each of the most services that a node can have
        may be sealed again and again within it, and no node fills the disk that all renewals need.
        """
        often = _OFTEN * messages.MAX_LIST / seconds
        return replace(self, kept_rate=max(self.kept_rate, often))


class Allowance:
    """A token bucket: how much work one node may still ask for.

    Args:
        burst: units that it holds when full.
        rate: units that come back per second.
        now: seconds of any clock that only goes forward.
    """

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self._burst = float(burst)
        self._rate = rate
        self._left = self._burst
        self._at = now
        self._owed: deque[int] = deque()

    def owe(self, units: int) -> None:
        """Have the next `wait` take these as well; may be called by any thread."""
        self._owed.append(units)

    def wait(self, units: int, now: float) -> float:
        """Take `units`; returns the seconds to wait before doing the work, 0 for none.

        The node itself is held up, and by TCP so is what it sends; nobody else is.
        """
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        while self._owed:
            units += self._owed.popleft()
        self._left -= units
        return max(0.0, -self._left / self._rate)
