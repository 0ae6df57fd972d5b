"""The link over the serial line, for a node without a network: `console` hands it what comes.

The site speaks first, and begins anew whenever it likes: with ASK, and WELCOME for the HELLO that
answers it. What it hears may have been lost on its way, so a HELLO that it did not ask for tells it
to begin anew. The line is not secret, and needs not be: seals, trust and time are signed.
"""

from sealcore import errors
from sealcore.compat import const

from . import clock, link

_DROP_MS = const(5000)  # not more often


def admit(node, kind: int, values):
    """Who takes what came over the line and is of the link: a Wire, or None where that is done.
    Raises SealError."""
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
    """The link of a node whose site is at the other end of the line."""

    def __init__(self, node):
        super().__init__(node)
        self._dropped = clock.ms() - _DROP_MS

    def send(self, message: bytes) -> None:
        """Print a message."""
        from . import answers

        answers.send(self.node, message)

    def take(self, kind: int, values) -> None:
        """Do what a message says; if that fails, begin anew."""
        from sealcore import messages

        if kind == messages.WELCOME:
            self._begin()
            self.question = self.node.question
        elif not self.greeted:
            return  # the end of what was said before
        try:
            from . import linked

            linked.load()
            from . import duties

            duties.take(self, kind, values)
        except Exception as error:  # also out of memory, or the flash is full
            self._fail(error)

    def drop(self) -> None:
        """Begin anew: the site answers this HELLO by WELCOME."""
        self._begin()
        now = clock.ms()
        if now - self._dropped < _DROP_MS:
            return  # the site asks by itself when it hears nothing
        self._dropped = now
        from . import answers

        self.node.question = clock.Question()
        self.send(answers.hello(self.node, self.node.question))
