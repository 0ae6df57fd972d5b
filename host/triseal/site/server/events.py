"""The events of services: what nodes say, and what the site refuses, for the log and metrics."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from triseal.site.records.placement import Place
from triseal.site.server.metrics import Metrics
from triseal.site.server.signing.task import Answer, Told

# The other states are what somebody should look at.
_QUIET = ("installing", "waiting-for-time", "running", "stopped", "gone")

# A node repeats its request while it is refused: a line for each one would fill the log.
_AGAIN_SECONDS = 3600.0
_MOST_REMEMBERED = 4096

_log = logging.getLogger(__name__)


class Events:
    """Takes the recorded answers of one signing pipeline; only one thread may call it.

    Args:
        metrics: the metrics of the server.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._refused: OrderedDict[Place, tuple[str, float]] = OrderedDict()

    def recorded(self, answer: Answer) -> None:
        """Log and count the events of an answer.

        Args:
            answer: the answer, which was recorded.
        """
        for told in answer.told:
            self._hear(told)
        for place, code in answer.refused:
            if self._is_new(place, code):
                fields = {"node": place.node, "service": place.service, "code": code}
                _log.warning("no seal", extra=fields)

    def _is_new(self, place: Place, code: str) -> bool:
        now = time.monotonic()
        known, at = self._refused.get(place, ("", 0.0))
        if known == code and now - at < _AGAIN_SECONDS:
            return False
        self._refused[place] = code, now
        self._refused.move_to_end(place)
        if len(self._refused) > _MOST_REMEMBERED:
            self._refused.popitem(last=False)
        return True

    def _hear(self, told: Told) -> None:
        service = told.place.service
        changed = told.before != told.after
        if changed:
            self._metrics.changed(service, told.after)
        self._metrics.reported(service, told.code, told.restarted, fell_back=told.fell_back)
        if changed or told.code or told.restarted:
            quiet = told.after in _QUIET and not told.restarted
            _log.log(logging.INFO if quiet else logging.WARNING, _event(told), extra=_fields(told))


def _event(told: Told) -> str:
    if told.fell_back:
        return "fell back"
    if told.before != told.after:
        return "state changed"
    return "restarted" if told.restarted else "reported"


def _fields(told: Told) -> dict[str, object]:
    place, reason = told.place, {"code": told.code, "detail": told.detail} if told.code else {}
    states = {"before": told.before, "state": told.after, "restarts": told.restarted}
    named = {name: value for name, value in states.items() if value}
    return {"node": place.node, "service": place.service, **named, **reason}
