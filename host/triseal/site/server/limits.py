"""The limits of one connection: seconds, bytes, messages. Only a node that exceeds them waits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from sealcore import messages

_OFTEN = 16  # how often all services of a node may be sealed within a lifetime


@dataclass(frozen=True)
class Limits:
    """The limits of a server process.

    Attributes:
        connections: number of nodes that may be connected at once.
        handshakes: number of TLS handshakes that may be under way at once.
        handshake_seconds: time for a TLS handshake.
        hello_seconds: time from the end of the handshake to a whole HELLO; at a serial line, time
            for the proof of a key.
        frame_seconds: time from the first byte of a frame to its last.
        write_seconds: time for the other end to take what was sent.
        stop_seconds: time for connections to end when the server stops.
        burst: units of work that a node may ask for at once. A seal or a frame is one unit, a
            certificate is many.
        rate: units of work per second in the long run.
        enrol_burst, enrol_rate: the same for all boards without a certificate together; an ENROL is
            one unit.
        kept_burst, kept_rate: the same for the records of a node that the ledger keeps for months.
            A seal is one unit, a certificate is many. See `for_lifetime`.
        write_bytes: bytes that were sent and not yet taken, above which the server makes nothing
            more for a node.
        line_seconds: time for a node at a serial line to answer or to take what was sent. It may be
            checking seals, and does nothing else meanwhile.
        quiet_seconds: time without a message after which the server asks a node at a serial line
            whether it is there.
    """

    connections: int = 4096
    handshakes: int = 512
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
    write_bytes: int = 2 * messages.MAX_FRAME
    line_seconds: float = 120.0
    quiet_seconds: float = 20.0

    def for_lifetime(self, seconds: int) -> Limits:
        """Adapt these limits to a site whose seals have the given lifetime.

        Each of the most services that a node can have may be sealed several times within a
        lifetime, and no node can fill the disk that all renewals need.

        Args:
            seconds: lifetime of a site seal.
        """
        often = _OFTEN * messages.MAX_LIST / seconds
        return replace(self, kept_rate=max(self.kept_rate, often))


class Allowance:
    """A token bucket: the amount of work that one node may still ask for.

    Args:
        burst: number of units that the full bucket holds.
        rate: number of units that come back per second.
        now: seconds of a monotonic clock.
    """

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self._burst = float(burst)
        self._rate = rate
        self._left = self._burst
        self._at = now
        self._owed: deque[int] = deque()

    def owe(self, units: int) -> None:
        """Let the next `wait` take more units. Any thread may call this.

        Args:
            units: number of units.
        """
        self._owed.append(units)

    def wait(self, units: int, now: float) -> float:
        """Take units from the bucket.

        Only this node has to wait, and TCP then holds back what it sends.

        Args:
            units: number of units.
            now: seconds of a monotonic clock.

        Returns: the seconds to wait before the work, 0 for none.
        """
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        while self._owed:
            units += self._owed.popleft()
        self._left -= units
        return max(0.0, -self._left / self._rate)
