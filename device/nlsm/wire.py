"""The link over the serial line, for a node without a network. `console` hands it each message.

The site speaks first, and may restart the link at any time: it sends ASK, the node answers with
HELLO, and the site sends WELCOME. A message may be lost on the line, so a HELLO that the site did
not ask for tells it to restart. The line need not be secret: seals, trust and time are signed.
"""

from sealcore import errors
from sealcore.compat import const

from . import clock, link

_DROP_MS = const(5000)  # shortest time between two HELLOs that the site did not ask for


def admit(node, kind: int, values):
    """Return the Wire that must handle this message, or None if the message is handled already.

    Raises SealError.
    """
    from sealcore import messages

    if "server" in node.settings or node.failure:
        raise errors.BadMessage("kind %d on the console" % kind)
    if kind == messages.PROVE:
        from . import answers, enrol

        answers.send(node, messages.write(messages.PROOF, enrol.prove(node.name, values[0])))
        return None
    if not node.runner:
        raise errors.BadMessage("kind %d before the services run" % kind)
    if not node.link:
        node.link = Wire(node)
    return node.link


class Wire(link.Link):
    """The link of a node whose site is at the other end of the serial line."""

    def __init__(self, node):
        super().__init__(node)
        self._dropped = clock.ms() - _DROP_MS

    def send(self, message: bytes) -> None:
        """Print a message on the console."""
        from . import answers

        answers.send(self.node, message)

    def take(self, kind: int, values) -> None:
        """Do what a message asks for. If that fails, restart the link."""
        from sealcore import messages

        if kind == messages.WELCOME:
            self._begin()
            self.question = self.node.question
        elif not self.greeted:
            return  # a late message of the link before the restart
        try:
            from . import linked

            linked.load()
            from . import duties

            duties.take(self, kind, values)
        except Exception as error:  # also if memory is short or the flash is full
            self._fail(error)

    def drop(self) -> None:
        """Restart the link: send a HELLO, which the site answers with WELCOME."""
        self._begin()
        now = clock.ms()
        if now - self._dropped < _DROP_MS:
            return  # the site asks by itself when it hears nothing
        self._dropped = now
        from . import answers

        self.node.question = clock.Question()
        self.send(answers.hello(self.node, self.node.question))
