"""The errors of a log."""

from __future__ import annotations

from triseal.errors import Failure


class BadLogData(Failure):
    """A checkpoint, a proof, a tile, an entry, a policy or a key of a log can't be read."""

    code = "bad-log-data"
    advice = "Get it again, from the Store or another mirror."


class UnknownLog(Failure):
    """The checkpoint is not signed by a log that is trusted here, or not by enough witnesses."""

    code = "unknown-log"
    advice = "Compare the log's key with the one that the Store's `triseal store show` prints."


class NotInLog(Failure):
    """The proof does not show that the log has this entry."""

    code = "not-in-log"
    advice = "Get the package from its Store again; if the proof stays wrong, keep both files."


class LogForked(Failure):
    """Two checkpoints of one log can't both be true."""

    code = "log-forked"
    advice = "Take nothing more from this Store, and show the evidence to others."


class LogStale(Failure):
    """The log that was shown is older than what was seen of it before."""

    code = "log-stale"
    advice = "Ask the Store itself instead of a mirror; a Store that stays behind hides something."


class LogBehind(Failure):
    """The database lacks entries that the log has signed: it was restored from a backup."""

    code = "log-behind"
    advice = "Restore the newest database, or begin a new Store; a log can't forget entries."


class LogDamaged(Failure):
    """Files of the log are missing or have other contents than its checkpoint says."""

    code = "log-damaged"
    advice = "Move the log's folder away: the Store writes it again from its database."
