"""Turn a traceback from a board into an error that says what to do."""

import re

from boards.errors import (
    DeviceFailed,
    FileMissing,
    FlashFull,
    FlashReadOnly,
    OutOfMemory,
)

# "OSError: [Errno 28] ENOSPC", or "OSError: 28" from a port without the names.
_OS_ERROR = re.compile(r"OSError: (?:\[Errno )?(\d{1,6})\b")
_LONGEST = 512
_BY_NUMBER: dict[int, type[DeviceFailed]] = {
    2: FileMissing,
    28: FlashFull,
    30: FlashReadOnly,
}


def from_traceback(text: str) -> DeviceFailed:
    """Return the error for a traceback of a board's code.

    Args:
        text: the traceback as the board printed it.

    Returns:
        An error with the last line as its detail.
    """
    lines = [line for line in text.replace("\r", "").splitlines() if line.strip()]
    last = lines[-1].strip()[:_LONGEST] if lines else "the code failed without a word"
    numbered = _OS_ERROR.match(last)
    if numbered:
        kind = _BY_NUMBER.get(int(numbered.group(1)), DeviceFailed)
    else:
        kind = OutOfMemory if last.startswith("MemoryError") else DeviceFailed
    return kind(last, text)
