"""The nonces that the Store gives out: each is good once, for five minutes.

The database has those that were used, so that no other server process of the Store takes one again,
and no process after a restart.

What was used is forgotten by turns, and not by the clock, which may be set back after it was wrong.
Each nonce names the turn in which it was made. A turn ends after five minutes, or when the clock
stands before its beginning. A nonce is good in its turn and in the next one only, and its use is
remembered as long: whatever the clock does, a nonce whose use was forgotten is refused.
"""

from __future__ import annotations

import hmac
import secrets
import time
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from triseal.database import insert_new, reading, writing
from triseal.errors import Failure
from triseal.signedrequest import NotSigned
from triseal.store.store import Store
from triseal.store.tables import NONCE_TURN, NONCES

SECONDS = 300
MOST_OF_KEY = 600  # used nonces of one key that are remembered
_KNOWN_SECONDS = 1.0  # in which strangers who want nonces cost no look into the database


class TooManyNonces(Failure):
    """The Store takes no more requests with this key now."""

    code = "too-many-requests"
    advice = "Try again in five minutes, or ask the Store's operator."


class _Turn(NamedTuple):
    secret: bytes  # marks the nonces of this Store
    number: int
    began: int  # Unix seconds

    def mark(self, said: str) -> str:
        return hmac.new(self.secret, said.encode(), "sha256").hexdigest()


class Nonces:
    """The nonces of one Store. They need no memory until they are used.

    Args:
        store: the Store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[_Turn, float] | None = None

    def make(self, now: int) -> str:
        """Return a new nonce.

        Args:
            now: the time, Unix seconds.

        Raises:
            DatabaseUnusable: the database can't be used.
        """
        turn = self._recent(now)
        said = f"{now}.{turn.number}.{secrets.token_hex(8)}"
        return f"{said}.{turn.mark(said)}"

    def use(self, nonce: str, key: str, now: int) -> None:
        """Take a nonce, which no process of the Store takes again.

        Args:
            nonce: the nonce.
            key: fingerprint of the approved key that has signed it.
            now: the time, Unix seconds.

        Raises:
            NotSigned: it is not of this Store, too old, or used.
            TooManyNonces: the key has used too many.
            DatabaseUnusable: the database can't be used.
        """
        turn = self._check_new(nonce)  # first without a lock, so that a replay costs little
        said, _, mark = nonce.rpartition(".")
        if turn is None or not hmac.compare_digest(mark.encode(), turn.mark(said).encode()):
            raise NotSigned("the nonce is not of this Store")
        made, number = (int(part) for part in said.split(".")[:2])
        if not 0 <= now - made <= SECONDS:
            raise NotSigned(f"the nonce is not of the last {SECONDS} s of the Store's clock")
        try:
            with writing(self._store.engine) as connection:
                if number < _begun(connection, now).number - 1:
                    raise NotSigned("the nonce is too old: the Store's clock was set meanwhile")
                _check_number(connection, key, now)
                row = {"nonce": nonce, "key": key, "made": made, "turn": number}
                connection.execute(insert(NONCES).values(**row))
        except IntegrityError:  # another process was faster
            raise NotSigned("the nonce was used before") from None

    def _check_new(self, nonce: str) -> _Turn | None:
        with reading(self._store.engine) as connection:
            found = connection.execute(select(NONCES.c.made).where(NONCES.c.nonce == nonce))
            if found.first() is not None:
                raise NotSigned("the nonce was used before")
            return _read(connection)

    def _recent(self, now: int) -> _Turn:
        """Return the turn of this second; the first process that needs one begins it."""
        known = self._known
        recent = known is not None and time.monotonic() < known[1] + _KNOWN_SECONDS
        if known is not None and recent and not _is_over(known[0], now):
            return known[0]
        with reading(self._store.engine) as connection:
            found = _read(connection)
        if found is None or _is_over(found, now):
            with writing(self._store.engine) as connection:
                found = _begun(connection, now)
        self._known = found, time.monotonic()
        return found


_TURN = select(NONCE_TURN.c.secret, NONCE_TURN.c.number, NONCE_TURN.c.began)


def _read(connection: Connection) -> _Turn | None:
    row = connection.execute(_TURN).one_or_none()
    return None if row is None else _Turn(*row)


def _is_over(turn: _Turn, now: int) -> bool:
    return not 0 <= now - turn.began <= SECONDS


def _begun(connection: Connection, now: int) -> _Turn:
    """Return the turn of now, which nobody ends before the transaction has ended."""
    row = connection.execute(_TURN.with_for_update()).one_or_none()
    if row is None:
        fresh = {"id": 1, "secret": secrets.token_bytes(32), "number": 1, "began": now}
        insert_new(connection, NONCE_TURN, [fresh])  # unless another process has been faster
        row = connection.execute(_TURN.with_for_update()).one()
    found = _Turn(*row)
    if not _is_over(found, now):
        return found
    number = found.number + 1
    connection.execute(update(NONCE_TURN).values(number=number, began=now))
    connection.execute(delete(NONCES).where(NONCES.c.turn < number - 1))
    return _Turn(found.secret, number, now)


def _check_number(connection: Connection, key: str, now: int) -> None:
    recent = NONCES.c.key == key, NONCES.c.made.between(now - SECONDS, now)
    used = connection.execute(select(func.count()).select_from(NONCES).where(*recent)).scalar_one()
    if used >= MOST_OF_KEY:
        raise TooManyNonces(f"{MOST_OF_KEY} requests with this key in {SECONDS} s")
