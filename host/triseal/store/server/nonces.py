"""The nonces that the Store gives out: each is good once, for five minutes.

The database has those that were used, so that no other server process of the Store takes one again,
and no process after a restart.
"""

from __future__ import annotations

import hmac
import secrets

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from triseal.database import insert_new, reading, writing
from triseal.errors import Failure
from triseal.signedrequest import NotSigned
from triseal.store.store import Store
from triseal.store.tables import NONCE_SECRET, NONCES

SECONDS = 300
MOST_OF_KEY = 600  # used nonces of one key that are remembered


class TooManyNonces(Failure):
    """The Store takes no more requests with this key now."""

    code = "too-many-requests"
    advice = "Try again in five minutes, or ask the Store's operator."


class Nonces:
    """The nonces of one Store. They need no memory until they are used.

    Args:
        store: the Store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._secret = b""

    def make(self, now: int) -> str:
        """Return a new nonce.

        Args:
            now: the time, Unix seconds.

        Raises:
            DatabaseUnusable: the database can't be used.
        """
        said = f"{now}.{secrets.token_hex(8)}"
        return f"{said}.{self._mark(said)}"

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
        said, _, mark = nonce.rpartition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(said).encode()):
            raise NotSigned("the nonce is not of this Store")
        made = int(said.partition(".")[0])
        if not 0 <= now - made <= SECONDS:
            raise NotSigned(f"the nonce is not of the last {SECONDS} s of the Store's clock")
        self._check_new(nonce)  # first without a lock, so that a replay costs little
        row = {"nonce": nonce, "key": key, "made": made}
        columns = NONCES.c
        used = select(func.count()).select_from(NONCES).where(columns.key == key)
        try:
            with writing(self._store.engine) as connection:
                connection.execute(delete(NONCES).where(columns.made < now - SECONDS))
                if connection.execute(used).scalar_one() >= MOST_OF_KEY:
                    raise TooManyNonces(f"{MOST_OF_KEY} requests with this key in {SECONDS} s")
                connection.execute(insert(NONCES).values(**row))
        except IntegrityError:  # another process was faster
            raise NotSigned("the nonce was used before") from None

    def _check_new(self, nonce: str) -> None:
        with reading(self._store.engine) as connection:
            found = connection.execute(select(NONCES.c.made).where(NONCES.c.nonce == nonce))
            if found.first() is not None:
                raise NotSigned("the nonce was used before")

    def _mark(self, said: str) -> str:
        if not self._secret:
            self._secret = self._shared()
        return hmac.new(self._secret, said.encode(), "sha256").hexdigest()

    def _shared(self) -> bytes:
        """Return the secret that all processes of the Store share; the first one makes it."""
        wanted = select(NONCE_SECRET.c.secret)
        with reading(self._store.engine) as connection:
            found = connection.execute(wanted).scalar_one_or_none()
        if found is None:
            made = {"number": 1, "secret": secrets.token_bytes(32)}
            with writing(self._store.engine) as connection:
                insert_new(connection, NONCE_SECRET, [made])
                found = connection.execute(wanted).scalar_one()
        return bytes(found)
