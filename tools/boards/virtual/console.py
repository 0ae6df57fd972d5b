"""The part of the REPL's output that the holder of a virtual board must understand."""

_RAW = b"raw REPL; CTRL-B to exit\r\n"
_FRIENDLY = b'Type "help()" for more information.\r\n>>> '
_CRASH = b"FATAL: uncaught NLR"


class Console:
    """Follows the output of one interpreter after another, as a board's port shows it.

    Attributes:
        raw: whether the REPL is the raw one, which must be there again after a soft reset.
        at_prompt: whether the interpreter has come to a prompt.
        ready: whether the interpreter has mounted its flash and takes input.
    """

    def __init__(self) -> None:
        self.raw = False
        self.ready = False
        self.at_prompt = False
        self._held = b""
        self._tail = b""
        # The text that is awaited, and whether the port shows the output before it.
        self._marks: list[tuple[bytes, bool]] = []

    def expect(self, token: bytes) -> None:
        """Begin a run whose shim prints `token` when it is ready, and again before a raw REPL.

        An interpreter starts with the friendly REPL. On the way to the raw one its banner is cut
        out.
        """
        self.ready = self.at_prompt = False
        self._held = self._tail = b""
        self._marks = [(token, False)]
        if self.raw:
            self._marks += [(token, True), (_RAW, False)]

    @property
    def stuck(self) -> bool:
        """Whether the interpreter is at its prompt and was never ready: then its shim
        has failed."""
        return not self.ready and self._held.endswith(b">>> ")

    @property
    def crashed(self) -> bool:
        """Whether its prompt ended the interpreter, after a Ctrl-C in the middle of a garbage
        collection.

        On the unix port this leaves the heap locked, and the prompt has no memory for a line.
        """
        return _CRASH in self._tail

    @property
    def complaint(self) -> str:
        """The last line of an interpreter that never became ready, before its banner; or empty."""
        lines = self._held.decode(errors="replace").partition("\nMicroPython ")[0].splitlines()
        return lines[-1].strip() if lines else ""

    def feed(self, data: bytes) -> bytes:
        """Take `data` that the interpreter printed, and return the part that the port shows."""
        self._held += data
        shown = b""
        while self._marks:
            mark, show = self._marks[0]
            before, found, rest = self._held.partition(mark)
            if not found:
                return self._noted(shown + (self._release(mark) if show else b""))
            del self._marks[0]
            self.ready = True
            self._held = _RAW + rest if mark == _RAW else rest
            shown += before if show else b""
        shown, self._held = shown + self._held, b""
        return self._noted(shown)

    def _release(self, mark: bytes) -> bytes:
        # Everything except an end that may be the beginning of the mark.
        sizes = range(min(len(mark), len(self._held)), 0, -1)
        keep = next((n for n in sizes if self._held.endswith(mark[:n])), 0)
        released = self._held[: len(self._held) - keep]
        self._held = self._held[len(released) :]
        return released

    def _noted(self, shown: bytes) -> bytes:
        seen = self._tail + shown
        raw_at, friendly_at = seen.rfind(_RAW), seen.rfind(_FRIENDLY)
        if raw_at != friendly_at:
            self.raw = raw_at > friendly_at
            self.at_prompt = True
        self._tail = seen[-len(_FRIENDLY) + 1 :]
        return shown
