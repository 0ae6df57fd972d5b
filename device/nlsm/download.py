"""Downloads the files of a service from the site straight to flash, and resumes after a break.

The files are collected in incoming/NAME. An incomplete file is named by its hash and `.part`. When
all files have arrived they are checked together, and only then is the running version stopped.

If the node has another version of an executable, it names the package of this version (DIFFER), and
the site may answer with pieces that are copied from it (PIECES). Nothing that is copied is believed
either: the file is hashed as a whole, like one that was fetched. A site that does not know DIFFER
ends the connection, so after three of them without an answer the next download fetches whole files.
"""

import hashlib
import os

from sealcore import errors
from sealcore.compat import const

# Import only these modules here, because a running download holds them. If it held more, other
# messages would load their modules a second time.
from . import keystore, recovery

_BLOCK = const(512)
_LARGEST = const(16777216)
_SPARE = const(b"nlsm.spare")
_SUBJECT_ALT_NAME = const(b"\x06\x03\x55\x1d\x11")
_EXECUTABLE = const(b"app.")
_OCTET_STRING = const(0x04)
_URI = const(0x86)
_TRIES = const(3)  # DIFFERs without an answer
_MOST = const(2)  # seals that wait at once: a site may assign thirty services in a row


class Download:
    """Downloads one service after the other.

    queue    list of (service, site seal, files) that wait; the first one is being downloaded
    later    names of services to ask for when there is room
    whole    whether all files of the first one have arrived
    unwanted names of services in the queue that the site has removed meanwhile
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
        self._old = ""  # folder with another version of the file; empty if it comes whole
        # Whether to start the first service again, after the requested chunk has arrived.
        self._anew = False

    def close(self) -> None:
        """Close the open file. The part that has arrived stays on flash."""
        if self._file:
            self._file.close()
            self._file = None

    def add(self, name: str, seal: bytes, files) -> None:
        """Queue a service for download.

        If the service waits or is being downloaded already, this replaces its seal and its list of
        files. Parts that have arrived are kept if they belong to a file of the new list.
        """
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
        """Return the names of the services that are queued or put off."""
        return self.later + [one[0] for one in self.queue]

    def leave(self, name: str) -> None:
        """Note that the site has removed a service.

        A running download of it ends, then it is deleted.
        """
        if name in self.later:
            self.later.remove(name)
        if name not in self.unwanted and name in [one[0] for one in self.queue]:
            self.unwanted.append(name)

    def more(self) -> None:
        """Ask the site again for a service that was put off, because there is room now."""
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
        """Open the next missing file and ask for it, or note that all files have arrived."""
        while self._left:
            name, size, wanted = self._left[0]
            self._old = ""
            if name[-3:] == "bin":
                self._file = _other(*self.queue[0][:2]).open(wanted)
                self._done = self._file.done
            else:
                path = self._folder() + "/" + _part(wanted)
                self._done = _size(path)
                if self._done < size:
                    self._file = open(path, "ab")  # noqa: SIM115 - open until it is whole
                    self._look(name, size)
            if self._done < size:
                self._ask()
                return
            self._keep()
        self.whole = True

    def finish(self) -> None:
        """Offer the complete service to the installer, and go on with the next one.

        The link's `tick` calls this. In `take`, where the last chunk arrives, the stack has no room
        for the check.
        """
        if not self.whole:
            return
        self.whole = False
        if self._anew:
            self._begin()
            return
        self._link.whole = 0
        name, seal, files = self.queue[0]
        other = _other(name, seal)
        if name in self.unwanted:
            self.unwanted.remove(name)
            recovery.remove(self._folder())
        elif other:
            other.offer(self._link.node, name, files)
        else:
            from . import linked

            linked.load()
            from . import installer

            installer.offer(self._link.node, name)
        self.queue.pop(0)
        self._go_on()

    def _look(self, name: str, size: int) -> None:
        """Look for another version of an executable. One chunk costs no more than a difference."""
        from sealcore import messages

        worth = name.encode().startswith(_EXECUTABLE) and size > messages.MAX_CHUNK
        if worth and self._link.whole < _TRIES:
            own, seal, _ = self.queue[0]
            other = _other(own, seal)
            folder = "/agent/" + other.running() if other else keystore.SERVICES + "/" + own
            if keystore.exists(folder + "/" + name):
                self._old = folder

    def _ask(self) -> None:
        from sealcore import messages

        _, size, wanted = self._left[0]
        self._link.expect()
        if self._old:
            self._link.whole += 1
            held = hashlib.sha256(keystore.read(self._old + "/" + "store.der")).digest()
            self._link.send(messages.write(messages.DIFFER, wanted, self._done, held))
            return
        length = min(messages.MAX_CHUNK, size - self._done)
        self._link.send(messages.write(messages.FETCH, wanted, self._done, length))

    def take(self, wanted: bytes, offset: int, found) -> None:
        """Store the bytes of a CHUNK, or the pieces of PIECES, which have arrived.

        Raises BadMessage if they are not what was asked for.
        """
        if not self._file or (wanted, offset) != (self._left[0][2], self._done) or not found:
            raise errors.BadMessage("chunk")
        name, size, _ = self._left[0]
        old = self._old and self._old + "/" + name
        pieces = found
        if type(found) is bytes:
            pieces = [(found, 0, 0)]
            self._old = ""  # the site has no pieces, so the rest comes in chunks
        _check(pieces, _size(old), size - offset)
        if old:
            self._link.whole = 0
        self._link.answered()
        try:
            self._store(pieces, old, size)
        except OSError as error:
            self._give_up(error)

    def _store(self, pieces, old: str, size: int) -> None:
        for data, begin, length in pieces:
            self._file.write(data)  # type: ignore[union-attr] # open: `take` has looked
            if length:
                self._copy(old, begin, length)
            self._done += length + len(data)
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

    def _copy(self, path: str, begin: int, length: int) -> None:
        """Append a part of another file."""
        block = memoryview(bytearray(_BLOCK))
        with open(path, "rb") as file:
            file.seek(begin)
            while length:
                count = file.readinto(block[: min(length, _BLOCK)])
                if not count:
                    raise OSError(5)
                self._file.write(block[:count])  # type: ignore[union-attr]
                length -= count

    def _give_up(self, error) -> None:
        """Refuse the first service, because the flash has no room for it.

        Its files are deleted, because other services need the room for their seals.
        """
        try:
            self.close()
        except OSError:  # the data that is still in the buffer could not be written
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
        """Start the next service in the queue."""
        self.more()
        if self.queue:
            self._begin()

    def _keep(self) -> None:
        """Give the first file of the list its name, because it is complete.

        If the hash is wrong, delete the file and raise HashMismatch, which ends the connection. A
        firmware is checked later, together with its seals.
        """
        name, _, wanted = self._left.pop(0)
        if name[-3:] == "bin":
            return
        part = self._folder() + "/" + _part(wanted)
        if digest(part) != wanted:
            os.remove(part)
            self._link.whole = _TRIES  # whatever was wrong, pieces would be wrong again
            raise errors.HashMismatch(name)
        os.rename(part, self._folder() + "/" + name)


def _size(path: str) -> int:
    return os.stat(path)[6] if path and keystore.exists(path) else 0


def _check(pieces, most: int, left: int) -> None:
    """Raise BadMessage unless these pieces can be had, make progress, and fit into a file.

    Args:
        pieces: (bytes, offset and length of what is copied behind them).
        most: size of the file from which they are copied; 0 for none.
        left: how many bytes are left to come.
    """
    from sealcore import messages

    copied = 0
    for data, begin, length in pieces:
        copied += length
        left -= length + len(data)
        if begin + length > most or not (length or data):
            raise errors.BadMessage("chunk")
    # Services run again, and the watchdog is fed, between two messages.
    if left < 0 or copied > messages.MAX_COPY:
        raise errors.BadMessage("chunk")


def _part(wanted: bytes) -> str:
    return wanted[:8].hex() + ".part"


def digest(path: str) -> bytes:
    """Return the SHA-256 of a file; empty if the file does not exist."""
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


def check_files(files, other=None) -> None:
    """Raise BadMessage unless these are exactly the files of one package, each within the size
    limit.
    """
    from . import verifier

    executables = getattr(other, "names", verifier.EXECUTABLES)
    due: list[str | None] = list(verifier.FILES)
    for name, size, _ in files:
        if name in due:
            due.remove(name)
        elif name not in executables or None in due:
            raise errors.BadMessage("file " + name)
        else:
            due.append(None)  # exactly one executable
        if not 1 <= size <= _LARGEST:
            raise errors.BadMessage("size of " + name)
    if due != [None]:
        raise errors.BadMessage("files")


def offer(link, name: str, seal: bytes, files) -> bool:
    """Check what an ASSIGN names, and tell whether it was taken here.

    An agent or a firmware is taken here if none of its files is wanted. Raises SealError.
    """
    from sealcore import names

    names.check_label(name)
    other = _other(name, seal)
    check_files(files, other)
    return other is not None and other.take(link, name, seal, files)


def _other(name: str, seal: bytes):
    """Return the module for what is not a service, by the SPIFFE ID in its site seal; else None.

    The seal is not verified yet: this only says who checks it.
    """
    from sealcore.der import Reader, single

    # Grants may hold any text, but none that holds the bytes of this OID.
    at = seal.find(_SUBJECT_ALT_NAME) + len(_SUBJECT_ALT_NAME)
    try:
        uri = bytes(single(Reader(seal[at:]).value(_OCTET_STRING)).value(_URI))
    except errors.MalformedDER:
        return None
    end = b"/" + name.encode()  # bytes, because texts would stay in memory
    if uri.endswith(b"/agent" + end):
        from . import swap

        return swap
    if uri.endswith(b"/firmware" + end):
        # Spelt so that its name takes no memory on boards that never load it.
        return __import__(_SPARE.decode(), None, None, ("",))
    return None
