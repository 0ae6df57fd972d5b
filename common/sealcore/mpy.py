"""Walk a `.mpy` file from its header to its end.

MicroPython's own loader takes the end of a file for a number that goes on forever, so a file that
was cut off hangs the whole board. So the node walks each file before it imports it.

The walk follows the structure (version 6 of MicroPython's py/persistentcode.c): the header, the
table of names, the table of constants, and each function with the functions inside it. It does not
look at what the code does.
"""

from . import errors
from .compat import const

_BLOCK = const(128)
_DEEPEST = const(16)  # of functions in functions, tuples in tuples: the loader recurses there
_LARGEST = const(1 << 28)
_LAST_NAME = const(165)  # the last name that needs no text, because every MicroPython has it: zip
_TEXTS = const(5)  # kinds of constants: from this one on they have a size
_NUMBERS = const(7)
_TUPLE = const(10)
_ASSEMBLER = const(3)
_RELOCATED = const(0x10)  # of the flags of native code
_RODATA = const(0x20)
_BSS = const(0x40)


def check(file, size: int) -> tuple:
    """Walk a whole file.

    Args:
        file: an object with `readinto`, at the begin of the file.
        size: of the file, in bytes.

    Returns: (sub-version, number of the architecture) that its native code needs; the architecture
        is 0 if it has no native code. Raises: Unloadable.
    """
    walk = _Walk(file, size)
    if walk.byte() != 0x4D or walk.byte() != 6:
        raise errors.Unloadable("no .mpy file of version 6")
    features = walk.byte()
    walk.byte()
    walk.native = features >> 2 & 0x2F
    if features & 0x40:
        walk.number(_LARGEST)
    names = walk.count()
    constants = walk.count()
    for _ in range(names):
        walk.name()
    walk.tree(constants, walk.constant)
    walk.tree(1, walk.function)
    if walk.left:
        raise errors.Unloadable("it goes on after its end")
    return features & 3, walk.native


class _Walk:
    # left     bytes of the file that were not walked yet
    # native   whether its header says that it has native code
    def __init__(self, file, size: int):
        self._file = file
        self._block = memoryview(bytearray(_BLOCK))
        self._at = self._end = 0
        self.left = size
        self.native = 0

    def byte(self) -> int:
        self._need(1)
        if self._at == self._end:
            self._fill()
        self.left -= 1
        self._at += 1
        return self._block[self._at - 1]

    def skip(self, size: int) -> None:
        self._need(size)
        self.left -= size
        while size:
            if self._at == self._end:
                self._fill()
            some = min(size, self._end - self._at)
            self._at += some
            size -= some

    def _need(self, size: int) -> None:
        if size > self.left:
            raise errors.Unloadable("it is cut off")

    def _fill(self) -> None:
        self._at = 0
        self._end = self._file.readinto(self._block)
        if not self._end:
            raise errors.Unloadable("it is cut off")

    def number(self, most: int) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if not byte & 0x80 and value <= most:
                return value
            if not 0 < value <= most:
                raise errors.Unloadable("a number")

    def count(self) -> int:
        """Read a count of things that take at least one byte each."""
        value = self.number(_LARGEST)
        self._need(value)
        return value

    def name(self) -> None:
        size = self.number(_LARGEST)
        if not size & 1:
            self._text(size >> 1)
        elif size >> 1 > _LAST_NAME:
            raise errors.Unloadable("a name")

    def _text(self, size: int) -> None:
        self.skip(size)
        if self.byte():
            raise errors.Unloadable("a text without its end")

    def tree(self, count: int, walk_one) -> None:
        """Walk `count` things; `walk_one` walks one and returns how many things inside
        it follow."""
        left = [count]
        while left:
            if not left[-1]:
                left.pop()
                continue
            left[-1] -= 1
            inside = walk_one()
            if inside:
                left.append(inside)
                if len(left) > _DEEPEST:
                    raise errors.Unloadable("nested too deep")

    def constant(self) -> int:
        kind = self.byte()
        if kind > _TUPLE or not (kind or self.native):
            raise errors.Unloadable("a constant of kind %d" % kind)
        if kind == _TUPLE:
            return self.count()
        if kind >= _NUMBERS:
            self.skip(self.count())
        elif kind >= _TEXTS:
            self._text(self.count())
        return 0

    def function(self) -> int:
        head = self.number(_LARGEST)
        size = head >> 3
        self._need(size)
        flags = rodata = 0
        if not head & 3:
            self._bytecode(size)
        elif self.native:
            self.skip(size)
            flags, rodata = self._native(head & 3, size)
        else:
            raise errors.Unloadable("native code of no architecture")
        inside = self.count() if head & 4 else 0
        if flags & _RELOCATED:
            if inside:
                raise errors.Unloadable("functions in what is relocated")
            self._relocations(size, rodata)
        return inside

    def _bytecode(self, size: int) -> None:
        end = self.left - size
        while self.byte() & 0x80:  # what it takes of the stack, and its arguments
            pass
        shift = more = 0
        while True:  # the sizes of what stands before its code, in interleaved bits
            byte = self.byte()
            more += ((byte & 0x7E) >> 1 << 6 * shift) + ((byte & 1) << shift)
            shift += 1
            if not byte & 0x80:
                break
            if shift > 3:
                raise errors.Unloadable("a function")
        if self.left - more <= end:
            raise errors.Unloadable("a function without code")
        self.skip(self.left - end)

    def _native(self, kind: int, size: int) -> tuple:
        """(flags, size of its constant data)"""
        flags = self.number(_LARGEST)
        if kind == 1:
            if flags >= size:
                raise errors.Unloadable("a function")
            return 0, 0  # this was the offset of its description
        rodata = 0
        if kind == _ASSEMBLER:
            self.number(_LARGEST)
            self.number(_LARGEST)
        else:
            if flags & _RODATA:
                rodata = self.count()
            if flags & _BSS:
                self.number(_LARGEST)
            self.skip(rodata)
        return flags, rodata

    def _relocations(self, text: int, rodata: int) -> None:
        room = 0  # bits of the words from the next word on
        while True:
            what = self.byte()
            if what == 0xFF:
                return
            if what & 1:
                at = self.number(_LARGEST)
                room = ((rodata if at & 1 else text) >> 2) - (at >> 1)
            what >>= 1
            room -= self.number(_LARGEST) if what < 6 and what & 1 else 1
            if room < 0:
                raise errors.Unloadable("a relocation")
