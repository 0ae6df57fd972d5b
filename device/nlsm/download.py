"""Fetches the files of a service from the site, straight to flash, and goes on where it stopped.

They gather in incoming/NAME: a file that is not whole is called by its hash and `.part`. When all
have come they are checked as one, and only then does anything that runs make way.
"""

import hashlib
import os

from sealcore import errors
from sealcore.compat import const

# No more than that, since a download that is under way holds it: of all else, what other messages
# want would then be loaded a second time.
from . import keystore, recovery

_BLOCK = const(512)
_LARGEST = const(16777216)
_MOST = const(2)  # seals that wait at once: a site may assign thirty services in one breath


class Download:
    """One service after the other.

    queue    list of (service, site seal, files) that wait; the first one is under way
    later    names of services to ask for once there is room
    whole    whether all files of the first one have come
    unwanted names of services that come, but that the site has removed meanwhile
    """

    def __init__(self, link):
        self.queue = []
        self.later = []
        self.whole = False
        self.unwanted = []
        self._link = link
        self._file = None
        self._left = []
        self._done = 0
        self._anew = False  # whether to begin again, once the piece that was asked for has come

    def close(self) -> None:
        """Keep what has come so far."""
        if self._file:
            self._file.close()
            self._file = None

    def add(self, name: str, seal: bytes, files) -> None:
        """Fetch a service. For one that waits or is under way, this is what to fetch from now on:
        what has come so far stays where it is of the same files."""
        if name in self.unwanted:
            self.unwanted.remove(name)
        for i in range(len(self.queue)):
            if self.queue[i][0] == name:
                self.queue[i] = (name, seal, files)
                self._anew = self._anew or i == 0
                return
        if len(self.queue) >= _MOST:
            if name not in self.later:
                self.later.append(name)
            return
        self.queue.append((name, seal, files))
        if len(self.queue) == 1:
            self._begin()

    def names(self) -> list:
        """Of the services that come, and of those that were put off."""
        return self.later + [one[0] for one in self.queue]

    def leave(self, name: str) -> None:
        """The site does not want a service here any more; what is asked for already comes."""
        if name in self.later:
            self.later.remove(name)
        if name not in self.unwanted and name in [one[0] for one in self.queue]:
            self.unwanted.append(name)

    def more(self) -> None:
        """There is room for another one: what was put off is asked for again."""
        if self.later:
            self._link.ask([self.later.pop(0)])

    def _folder(self) -> str:
        return keystore.INCOMING + "/" + self.queue[0][0]

    def _begin(self) -> None:
        try:
            self._prepare()
        except OSError as error:
            self._give_up(error)

    def _prepare(self) -> None:
        _, seal, files = self.queue[0]
        self._anew = False
        folder = self._folder()
        recovery.make(keystore.INCOMING)
        recovery.make(folder)
        wanted = [one[0] for one in files] + [_part(one[2]) for one in files]
        for found in keystore.names(folder):
            if found not in wanted:
                os.remove(folder + "/" + found)
        keystore.write(folder + "/site.der", seal)
        self._left = [one for one in files if digest(folder + "/" + one[0]) != one[2]]
        self._next()

    def _next(self) -> None:
        """Open the next file that is missing."""
        while self._left:
            _, size, wanted = self._left[0]
            path = self._folder() + "/" + _part(wanted)
            self._done = os.stat(path)[6] if keystore.exists(path) else 0
            if self._done < size:
                self._file = open(path, "ab")  # noqa: SIM115 - open until it is whole
                self._ask()
                return
            self._keep()
        self.whole = True

    def finish(self) -> None:
        """Offer the service that has come whole, and go on with the next one.

        The event loop calls this: where the last piece is taken, the stack has no room for a check.
        """
        if not self.whole:
            return
        self.whole = False
        if self._anew:
            self._begin()
            return
        name = self.queue[0][0]
        if name in self.unwanted:
            self.unwanted.remove(name)
            recovery.remove(self._folder())
        else:
            from . import linked

            linked.load()
            from . import installer

            installer.offer(self._link.node, name)
        self.queue.pop(0)
        self._go_on()

    def _ask(self) -> None:
        from sealcore import messages

        _, size, wanted = self._left[0]
        length = min(messages.MAX_CHUNK, size - self._done)
        self._link.expect()
        self._link.send(messages.write(messages.FETCH, wanted, self._done, length))

    def take(self, wanted: bytes, offset: int, octets: bytes) -> None:
        """A piece has come. Raises BadMessage if it is not the one that was asked for."""
        if not self._file or (wanted, offset) != (self._left[0][2], self._done) or not octets:
            raise errors.BadMessage("chunk")
        size = self._left[0][1]
        if len(octets) > size - offset:
            raise errors.BadMessage("chunk")
        self._link.answered()
        try:
            self._store(octets, size)
        except OSError as error:
            self._give_up(error)

    def _store(self, octets: bytes, size: int) -> None:
        self._file.write(octets)  # type: ignore[union-attr] # open: `take` has looked
        self._done += len(octets)
        if self._anew:
            self.close()
            self._prepare()
            return
        if self._done < size:
            self._ask()
            return
        self.close()
        self._keep()
        self._next()

    def _give_up(self, error) -> None:
        """The flash has no room for the first one: refuse it, and take back what it has taken,
        which others need for their seals."""
        try:
            self.close()
        except OSError:  # what could not be written
            self._file = None
        from . import installer, service

        folder = self._folder()
        name, seal, _ = self.queue.pop(0)
        node = self._link.node
        one = node.services[name] = node.services.get(name) or service.Service(name)
        installer.refuse(node, one, errors.TooLarge("flash: %s" % error), seal, folder)
        recovery.remove(folder)
        self._go_on()

    def _go_on(self) -> None:
        """The next one has its turn."""
        self.more()
        if self.queue:
            self._begin()

    def _keep(self) -> None:
        """The first of what is left has come: give it its name. A part of something else is
        thrown away, and the connection with it."""
        name, _, wanted = self._left.pop(0)
        part = self._folder() + "/" + _part(wanted)
        if digest(part) != wanted:
            os.remove(part)
            raise errors.HashMismatch(name)
        os.rename(part, self._folder() + "/" + name)


def _part(wanted: bytes) -> str:
    return wanted[:8].hex() + ".part"


def digest(path: str) -> bytes:
    """SHA-256 of a file; empty if there is none."""
    made = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK))
    try:
        with open(path, "rb") as file:
            count = file.readinto(block)
            while count:
                made.update(block[:count])
                count = file.readinto(block)
    except OSError:
        return b""
    return made.digest()


def check_files(files) -> None:
    """Raises BadMessage unless these are the files of a service."""
    from . import verifier

    due: list[str | None] = list(verifier.FILES)
    for name, size, _ in files:
        if name in due:
            due.remove(name)
        elif name not in verifier.EXECUTABLES or None in due:
            raise errors.BadMessage("file " + name)
        else:
            due.append(None)  # there is one executable
        if not 1 <= size <= _LARGEST:
            raise errors.BadMessage("size of " + name)
    if due != [None]:
        raise errors.BadMessage("files")
