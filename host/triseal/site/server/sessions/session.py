"""One node's conversation: what may be said when, and who answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from sealcore import errors, messages
from triseal.errors import Failure
from triseal.site.records import nodes
from triseal.site.server.handlers import ask_time, enrol, fetch, hello, renew, report
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.signing.task import Draft, Look, Task

Ask = Callable[[Task], Awaitable[Draft]]
Send = Callable[[list[bytes]], None]
Log = Callable[[str, str], None]
Pace = Callable[[int], Awaitable[None]]

# A node needs a certificate once a year, and each one is kept for ever.
_ENROL_UNITS = 64


class TrustChanged(Failure):
    """The node has another trust bundle than the site by now; it is told with the next WELCOME."""

    code = "trust-changed"
    advice = "Nothing: the node connects again by itself."


class Session:
    """What a site knows of one connected node.

    Args:
        ask: has a task done at the desk.
        send: sends frames.
        pace: returns when the node's allowance has so many units of work.
        on_log: called with service and text of each LOG that was asked for.
        peer: who is at the other end.

    Attributes:
        held: serials by service, as the node told, or will hold once it took what was sent.
        greeted: whether it has said HELLO.
        revision: of the database, of which the node has been told all.
        following: whether it has been asked for its log.
    """

    def __init__(self, ask: Ask, send: Send, pace: Pace, on_log: Log, peer: Peer) -> None:
        self.node = peer.node
        self.held: dict[str, bytes] = {}
        self.greeted = False
        self.revision = 0
        self.following = False
        self._bundle = 0  # the version that it has, or will have
        self._ask = ask
        self._send = send
        self._pace = pace
        self._peer = peer
        self._on_log = on_log

    async def receive(self, message: bytes) -> dict[str, int]:
        """Answer one message; returns the outcomes, counted.

        Raises: SealError, Failure or DatabaseUnusable: the connection must end; nothing of this
            message has had an effect.
        """
        kind, values = messages.parse(message)
        if kind == messages.HELLO and self._peer.anew:
            self.greeted = False
        if (kind == messages.HELLO) == self.greeted:
            raise errors.BadMessage("out of order")
        if kind == messages.LOG:
            await self._pace(1)
            self._on_log(*values)  # a line may cross the word that nobody follows any longer
            return {"log": 1}
        task = self._task(kind, values)
        await self._pace(_units(kind, values))
        draft = await self._ask(task)
        if kind == messages.HELLO:
            await self._pace(len(draft.seals))  # only now it is known how many it lacked
            self.greeted = True
            self.revision = draft.revision
            self.held.clear()
        return self._tell(draft)

    async def refresh(self) -> dict[str, int]:
        """Tell the node what has changed in the site. Raises: as `receive`; TrustChanged."""
        if not self.greeted:
            return {}
        draft = await self._ask(self._changes)
        self.revision = draft.revision
        return self._tell(draft)

    def _changes(self, look: Look) -> Draft:
        self._peer.admit(look)
        # Before anything that the node, by the bundle that it has, might have to refuse.
        if look.plans.bundle.version > self._bundle:
            raise TrustChanged(f"version {look.plans.bundle.version}")
        return hello.changes(look, self.node, dict(self.held))

    def _task(self, kind: int, values: tuple[Any, ...]) -> Task:
        if kind == messages.HELLO:
            return partial(self._hello, values=values)
        answer = self._answer_to(kind, values)

        def task(look: Look) -> Draft:
            self._peer.recheck(look)
            return answer(look)

        return task

    def _answer_to(self, kind: int, values: tuple[Any, ...]) -> Task:
        if kind == messages.RENEW:
            return partial(renew.renew, node=self.node, told=values[0], wanted=values[1])
        if kind == messages.ASK_TIME:
            return partial(ask_time.tell, node=self.node, nonce=values[0], told=values[1])
        if kind == messages.FETCH:
            digest, offset, length = values
            return partial(fetch.fetch, node=self.node, digest=digest, offset=offset, length=length)
        if kind == messages.REPORT:
            return partial(report.report, node=self.node, told=values)
        if kind == messages.ENROL:
            return partial(enrol.enrol, node=self.node, csr=values[0], proof=values[1])
        raise errors.BadMessage("not from a node")

    def _hello(self, look: Look, values: tuple[Any, ...]) -> Draft:
        protocol, node, nonce, bundle_version, now, cause, told = values
        if protocol != messages.PROTOCOL:
            raise errors.BadMessage(f"protocol version {protocol}")
        if node != self.node:
            raise errors.WrongNode(node)
        if "\0" in cause:  # PostgreSQL keeps none
            raise errors.BadMessage("NUL")
        self._peer.admit(look)
        self._bundle = max(bundle_version, look.plans.bundle.version)
        draft = hello.welcome(look, self.node, nonce, bundle_version, told)
        ask_time.note(look, draft, self.node, now)
        draft.writes.append(lambda connection: nodes.was_reset(connection, self.node, cause))
        return draft

    def _tell(self, draft: Draft) -> dict[str, int]:
        for service, serial in draft.held.items():
            if serial is None:
                self.held.pop(service, None)
            else:
                self.held[service] = serial
        self._send(draft.frames)
        return draft.counts


def _units(kind: int, values: tuple[Any, ...]) -> int:
    """What a message costs its node of its allowance: of a RENEW one unit for each service.

    A HELLO costs one more for each seal that is signed for it.
    """
    if kind == messages.ENROL:
        return _ENROL_UNITS
    return 1 + (len(values[1]) if kind == messages.RENEW else 0)
