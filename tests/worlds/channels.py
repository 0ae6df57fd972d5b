"""A connection for tests of a session: it keeps what is sent, and neither waits nor logs."""

from __future__ import annotations

from triseal.site.server.signing.pipeline import Pipeline


class QuietChannel:
    """The channel of a session in a test.

    Attributes:
        answer: the pipeline's own.
        sent: the frames that the session sent.
        origin: the network address of the node.
    """

    origin = "192.0.2.7"

    def __init__(self, pipeline: Pipeline) -> None:
        self.answer = pipeline.answer
        self.sent: list[bytes] = []

    def send(self, frames: list[bytes]) -> None:
        """Keep the frames."""
        self.sent.extend(frames)

    async def pace(self, units: int) -> None:
        """Return at once."""

    def log_line(self, service: str, text: str) -> None:
        """Drop the line."""
