"""The decisions of a person at a Store that runs elsewhere: over its port with mutual TLS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self, TypeVar

from triseal import storelink
from triseal.errors import BadAnswer
from triseal.store.changes import Why
from triseal.store.pace import Limits
from triseal.store.records import Developer, Release, Service

_ADMIN = "v1/admin/"
_JSON = {"content-type": "application/json"}
_V = TypeVar("_V", str, int)
Facts = dict[str, Any]


class Remote:
    """A Store that runs elsewhere. Its methods are those of `Store`; it is a context manager.

    The Store records the name in the certificate, and not `Why.who`. What it
    answers has no keys and no seals: these are empty.

    Args:
        url: of its port for administration, as `triseal store serve` prints it.
        certificate: file with the certificate and the key of the person, PEM.

    Raises:
        Failure: as `Link`; the methods raise what `Link.read` raises.
    """

    def __init__(self, url: str, certificate: Path) -> None:
        self._link = storelink.Link(url, identity=certificate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.__exit__()

    def _decide(self, action: str, why: Why | None, **what: object) -> Facts:
        body = what if why is None else {**what, "reason": why.reason}
        return self._link.post(_ADMIN + action, json.dumps(body).encode(), _JSON)

    def developers(self) -> list[Developer]:
        """Return all developers."""
        return [developer(one) for one in self._link.rows(_ADMIN + "developers")]

    def changes(self, since: int) -> list[Facts]:
        """Return what was decided, as `describestore.of_change` does.

        Args:
            since: only changes with a higher number.
        """
        return self._link.rows(f"{_ADMIN}changes?since={since}")

    def approve(self, fingerprint: str, why: Why) -> Developer:
        """See `Store.approve`.

        Args:
            fingerprint: of the key, hex.
            why: the reason.
        """
        return developer(self._decide("approve", why, fingerprint=fingerprint))

    def approve_key(self, name: str, fingerprint: str, why: Why) -> tuple[Developer, Developer]:
        """See `Store.approve_key`.

        Args:
            name: name of the developer.
            fingerprint: of the key, hex.
            why: the reason.
        """
        made = self._decide("approve-key", why, name=name, fingerprint=fingerprint)
        new = developer(made)
        return new, Developer(_of(made, "replaces", str), new.name, b"", 0, None)

    def suspend(self, name: str, why: Why) -> Developer:
        """See `Store.suspend`.

        Args:
            name: name of the developer.
            why: the reason.
        """
        return developer(self._decide("suspend", why, name=name))

    def resume(self, name: str, why: Why) -> Developer:
        """See `Store.resume`.

        Args:
            name: name of the developer.
            why: the reason.
        """
        return developer(self._decide("resume", why, name=name))

    def set_limits(self, name: str, hourly: int | None, size: int | None) -> Limits:
        """See `Store.set_limits`.

        Args:
            name: name of the developer.
            hourly: submissions in an hour, or None.
            size: bytes of a package, or None.
        """
        made = self._decide("limit", None, name=name, hourly=hourly, size=size)
        return Limits(_of(made, "hourly", int), _of(made, "size", int))

    def withdraw(self, service: str, version: str, why: Why) -> Release:
        """See `Store.withdraw`.

        Args:
            service: name of the service.
            version: its version.
            why: the reason.
        """
        made = self._decide("withdraw", why, service=service, version=version)
        return _release(made)

    def quarantine(self, service: str, version: str, why: Why) -> Service:
        """See `Store.quarantine`.

        Args:
            service: name of the service.
            version: its version.
            why: the reason.
        """
        return _service(self._decide("quarantine", why, service=service, version=version))

    def clear(self, service: str, version: str, why: Why) -> Service:
        """See `Store.clear`.

        Args:
            service: name of the service.
            version: its version.
            why: the reason.
        """
        return _service(self._decide("clear", why, service=service, version=version))

    def archive(self, service: str, why: Why) -> Service:
        """See `Store.archive`.

        Args:
            service: name of the service.
            why: the reason.
        """
        return _service(self._decide("archive", why, service=service))

    def reopen(self, service: str, why: Why) -> Service:
        """See `Store.reopen`.

        Args:
            service: name of the service.
            why: the reason.
        """
        return _service(self._decide("reopen", why, service=service))

    def hand_over(self, service: str, to: str, why: Why) -> str:
        """See `Store.hand_over`.

        Args:
            service: name of the service.
            to: name of the new owner.
            why: the reason.
        """
        made = self._decide("hand-over", why, service=service, to=to)
        return _of(made, "former_owner", str)


def _of(facts: Facts, name: str, kind: type[_V]) -> _V:
    value = facts.get(name)
    if type(value) is not kind:
        raise BadAnswer(f"{name} is {value!r}"[:200])
    return value


def _time(facts: Facts, name: str) -> int | None:
    return None if facts.get(name) is None else _of(facts, name, int)


def developer(facts: Facts) -> Developer:
    """Return the developer that an answer describes.

    Args:
        facts: the answer.

    Raises:
        BadAnswer: it has another form.
    """
    return Developer(
        _of(facts, "fingerprint", str),
        _of(facts, "name", str),
        b"",
        _of(facts, "registered_at", int),
        *(_time(facts, name) for name in ("approved_at", "suspended_at", "replaced_at")),
    )


def _service(facts: Facts) -> Service:
    return Service(
        _of(facts, "service", str),
        _of(facts, "owner", str),
        *(_time(facts, name) for name in ("archived_at", "quarantined_at")),
    )


def _release(facts: Facts) -> Release:
    return Release(
        _of(facts, "service", str),
        _of(facts, "version", str),
        _of(facts, "security_version", int),
        *("", "", "", b"", b""),
        _of(facts, "submitted_at", int),
        *(_time(facts, name) for name in ("withdrawn_at", "quarantined_at")),
    )
