"""The conversation with one node: the order of messages, and the handler of each message."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

from sealcore import errors, messages
from triseal.errors import Failure
from triseal.protocol import SERVED
from triseal.site.records import nodes, rekeying
from triseal.site.records.nodes import Bundle
from triseal.site.records.rekeying import Rekeying
from triseal.site.server.handlers import (
    ask_time,
    differ,
    enrol,
    facts,
    fetch,
    hello,
    renew,
    report,
)
from triseal.site.server.handlers.hello import Greeting
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.signing.task import Answer, Snapshot, Task

# A node needs one certificate in a year, and the ledger keeps each of them forever.
_ENROL_UNITS = 64
# A difference is computed once for all nodes. One node can make the site compute one in a second.
_COMPARED_UNITS = 64

# Seconds within which answers are due. Under load renewals come before nodes that connect, and
# those before changes, of which the node does not know yet.
_PATIENCE = {messages.RENEW: 1.0, messages.HELLO: 4.0}
_USUAL = 2.0
_OF_CHANGES = 6.0
# A node that was away while the site changed its key gets an older trust bundle or a certificate
# first. It has so many seconds to store them, and connects again for the newest bundle.
_STORING_SECONDS = 10.0


class TrustChanged(Failure):
    """The site has a newer trust bundle than the node. The node gets it with its next WELCOME."""

    code = "trust-changed"
    advice = "Nothing: the node connects again by itself."


class KeyChanged(Failure):
    """The node has used its new key for the first time. It gets everything with its next HELLO."""

    code = "key-changed"
    advice = "Nothing: the node connects again by itself."


class Channel(Protocol):
    """The services that a session needs from its connection."""

    @property
    def origin(self) -> str:
        """The network address of the node; empty for a serial line."""

    async def answer(
        self, task: Task, node: str, patience: float, renews: Iterable[str] = ()
    ) -> Answer:
        """Run a task in the signing pipeline, and return its recorded answer.

        Args:
            task: makes the answer.
            node: name of the node.
            patience: seconds within which the answer is due.
            renews: names of services; the answer is due before the first of their seals ends.
        """

    def send(self, frames: list[bytes]) -> None:
        """Send frames to the node.

        Args:
            frames: the frames, in order.
        """

    async def pace(self, units: int) -> None:
        """Wait until the allowance of the node has so many units of work.

        Args:
            units: number of units.
        """

    def log_line(self, service: str, text: str) -> None:
        """Take one line of the node's log.

        Args:
            service: name of the service that wrote it.
            text: the line.
        """


class Session:
    """The conversation with one connected node.

    Args:
        channel: the connection that the conversation goes over.
        peer: the node at the other end.

    Attributes:
        node: name of the node.
        held: serials by service, as the node reported them, or as it will hold them after it has
            taken what was sent.
        greeted: whether the node has said HELLO.
        revision: the newest revision of the database of which the node was told everything.
        following: whether the node was asked for its log.
    """

    def __init__(self, channel: Channel, peer: Peer) -> None:
        self.node = peer.node
        self.held: dict[str, bytes] = {}
        self.greeted = False
        self.revision = 0
        self.following = False
        self._bundle = 0  # version of the trust bundle that the node has or will have
        self._step = False  # whether this bundle is a step, after which it must say HELLO again
        # The trust bundle that the node got and has not confirmed. It stores the bundle before it
        # sends anything else, or ends the connection.
        self._given: Bundle | None = None
        # Version of the settings that the node has or tries; None before FACTS, which an older
        # agent does not send.
        self._settings: int | None = None
        # Name of the key of the site that signed the node's newest certificate, DER.
        self._certified_by = peer.issuer
        # Until when it has time to store a new certificate, which the newest trust bundle needs.
        self._storing_until = 0.0
        self._channel = channel
        self._peer = peer

    async def receive(self, message: bytes) -> dict[str, int]:
        """Answer one message.

        Args:
            message: the message without its frame.

        Returns: number of outcomes by name.

        Raises:
            SealError, Failure, DatabaseUnusable: the connection must end. The message has had no
                effect.
        """
        kind, values = messages.parse(message)
        if kind == messages.HELLO and self._peer.may_start_over:
            self.greeted = False
        if (kind == messages.HELLO) == self.greeted:
            raise errors.BadMessage("HELLO must be the first message, and must not be repeated")
        if kind == messages.LOG:
            await self._channel.pace(1)
            # A line may arrive after the last follower left: it was sent before the node knew.
            self._channel.log_line(*values)
            return {"log": 1}
        task = self._task(kind, values)
        await self._channel.pace(_units(kind, values))
        renews = [service for service, _ in values[1]] if kind == messages.RENEW else []
        patience = _PATIENCE.get(kind, _USUAL)
        answer = await self._channel.answer(task, self.node, patience, renews)
        if enrol.REKEYED in answer.counts:
            raise KeyChanged(f"of {self.node}")
        if kind == messages.HELLO:
            # The number of seals that the node lacked is known only now.
            await self._channel.pace(len(answer.seals))
            self.greeted = True
            self._caught_up(answer)
            self.held.clear()
        else:
            await self._channel.pace(_COMPARED_UNITS * answer.counts.get(differ.COMPARED, 0))
            self._given = None
        return self._tell(answer)

    def check_trust(self) -> None:
        """Check that the node has got the newest trust bundle, and not a step on the way to it.

        Raises:
            TrustChanged: it must say HELLO again for the next step.
        """
        if self._step:
            raise TrustChanged(f"version {self._bundle} is not the newest")

    async def refresh(self) -> dict[str, int]:
        """Tell the node what has changed in the site. Does nothing before HELLO.

        Returns: number of outcomes by name.

        Raises:
            TrustChanged: the node needs a newer trust bundle first.
            SealError, Failure, DatabaseUnusable: as `receive` raises them.
        """
        if not self.greeted:
            return {}
        answer = await self._channel.answer(self._changes, self.node, _OF_CHANGES)
        self._caught_up(answer)
        return self._tell(answer)

    def _caught_up(self, answer: Answer) -> None:
        """Note what the node was told; 0 makes the server come back to it soon."""
        self.revision = 0 if self._storing_until else answer.revision

    def _changes(self, snapshot: Snapshot) -> Answer:
        self._peer.admit(snapshot)
        # First of all: with its old trust bundle the node might have to refuse the rest.
        newest = snapshot.desired.bundle.version
        if newest > self._bundle and time.monotonic() >= self._storing_until:
            raise TrustChanged(f"the newest is version {newest}")
        answer = hello.changes(snapshot, self.node, dict(self.held))
        self._certify(snapshot, answer, 0)
        self._ask_for_key(snapshot, answer, rekeying.of(snapshot.connection, self.node))
        if self._settings is not None:
            self._settle(
                answer,
                facts.settle(snapshot, answer, self.node, self._settings, self._bundle),
            )
        return answer

    def _ask_for_key(self, snapshot: Snapshot, answer: Answer, known: Rekeying) -> None:
        """Ask a node for another key if a person wants it, and if the node shows a certificate."""
        if self._peer.spki:
            enrol.ask_for_key(snapshot, answer, self.node, known)

    def _certify(self, snapshot: Snapshot, answer: Answer, at: int) -> None:
        """Add a new certificate to an answer if another key than the active one signed the last."""
        name = snapshot.slca.issuer.name
        if not self._wants_certificate(snapshot):
            return

        def certified(_: object) -> None:
            self._certified_by = name

        enrol.push(snapshot, answer, self.node, at)
        answer.writes.append(certified)

    def _wants_certificate(self, snapshot: Snapshot) -> bool:
        """Tell whether another key than the active one signed the node's certificate, and the node
        knows the active one."""
        issuer = snapshot.slca.issuer
        return self._bundle >= issuer.term.since and self._holder(snapshot) not in (
            b"",
            issuer.name,
        )

    def _holder(self, snapshot: Snapshot) -> bytes:
        """Return the name of the key that signed the node's certificate, b"" if it never changed.

        A node at a serial line shows no certificate: the newest of the ledger counts.
        """
        if not snapshot.slca.issuer.others:
            return b""
        return self._certified_by or enrol.certifier(snapshot, self.node)

    def _task(self, kind: int, values: tuple[Any, ...]) -> Task:
        if kind == messages.HELLO:
            return partial(self._hello, values=values)
        handle, given = self._handler_of(kind, values), self._given

        def task(snapshot: Snapshot) -> Answer:
            self._peer.recheck(snapshot)
            answer = handle(snapshot)
            if given is not None:
                answer.writes.append(
                    lambda connection: nodes.heard(connection, self.node, snapshot.now, given)
                )
            return answer

        return task

    def _handler_of(self, kind: int, values: tuple[Any, ...]) -> Task:
        if kind == messages.RENEW:
            return partial(renew.renew, node=self.node, told=values[0], wanted=values[1])
        if kind == messages.ASK_TIME:
            return partial(ask_time.tell, node=self.node, nonce=values[0], told=values[1])
        if kind == messages.FETCH:
            digest, offset, length = values
            return partial(fetch.fetch, node=self.node, digest=digest, offset=offset, length=length)
        if kind == messages.DIFFER:
            digest, offset, held = values
            return partial(differ.differ, node=self.node, digest=digest, offset=offset, held=held)
        if kind == messages.FACTS:
            return partial(self._facts, told=values)
        if kind == messages.REPORT:
            return partial(report.report, node=self.node, told=values)
        if kind == messages.ENROL:
            return partial(enrol.enrol, node=self.node, csr=values[0], proof=values[1])
        raise errors.BadMessage("a node may not send this message")

    def _facts(self, snapshot: Snapshot, told: facts.Told) -> Answer:
        address = self._channel.origin
        answer, version = facts.facts(snapshot, self.node, told, address, self._bundle)
        self._settle(answer, version)
        return answer

    def _settle(self, answer: Answer, version: int) -> None:
        """Note the version of the settings that the node has, once the answer was recorded."""

        def settled(_: object) -> None:
            self._settings = version

        if version != self._settings:
            answer.writes.append(settled)

    def _hello(self, snapshot: Snapshot, values: tuple[Any, ...]) -> Answer:
        protocol, node, nonce, version, mark, now, cause, told = values
        if protocol not in SERVED:
            raise errors.BadMessage(
                f"the node has protocol version {protocol}, not {messages.PROTOCOL}"
            )
        if node != self.node:
            raise errors.WrongNode(node)
        if "\0" in cause + "".join(service for service, _, _ in told):  # PostgreSQL can't store it
            raise errors.BadMessage("a text contains NUL")
        rekeyed = rekeying.of(snapshot.connection, self.node)
        changed = enrol.use_key(self.node, self._peer.spki, rekeyed)
        if changed is not None:
            return changed
        self._peer.admit(snapshot)
        newer = hello.bundle_for(snapshot, version, self._holder(snapshot))
        self._bundle = newer.version if newer else version
        self._given = (newer.version, newer.mark) if newer else None
        behind = self._bundle < snapshot.desired.bundle.version
        # A node that gets a new certificate has time to store it; else the next bundle can follow.
        waits = behind and self._wants_certificate(snapshot)
        self._storing_until = time.monotonic() + _STORING_SECONDS if waits else 0.0
        self._step = behind and not waits and newer is not None
        greeting = Greeting(nonce, (version, mark), cause, told)
        answer = hello.welcome(snapshot, self.node, greeting, newer, step=self._step)
        self._certify(snapshot, answer, 1)
        self._ask_for_key(snapshot, answer, rekeyed)
        ask_time.note(snapshot, answer, self.node, now)
        return answer

    def _tell(self, answer: Answer) -> dict[str, int]:
        for service, serial in answer.held.items():
            if serial is None:
                self.held.pop(service, None)
            else:
                self.held[service] = serial
        self._channel.send(answer.frames)
        return answer.counts


def _units(kind: int, values: tuple[Any, ...]) -> int:
    """Return the units of work that a message costs its node; a RENEW costs one for each service.

    A HELLO costs one more for each seal that is signed for it.
    """
    if kind == messages.ENROL:
        return _ENROL_UNITS
    return 1 + (len(values[1]) if kind == messages.RENEW else 0)
