"""Find out whether a process takes Ctrl-C as an interrupt just now.

MicroPython's unix port handles SIGINT exactly while it runs a program that may be interrupted. At
its prompt, and while a program reads raw bytes (`micropython.kbd_intr(-1)`), SIGINT would end the
process, and Ctrl-C is a byte like any other. The operating system knows which of both it is.
"""

import ctypes
import signal
import struct
import sys
from pathlib import Path

_BIT = 1 << (signal.SIGINT - 1)


def is_caught(pid: int) -> bool:
    """Say whether process `pid` has a handler for SIGINT.

    Args:
        pid: a process of this user.

    Returns:
        False also for a process that has ended.
    """
    caught = _caught_on_darwin(pid) if sys.platform == "darwin" else _caught_on_linux(pid)
    return bool(caught & _BIT)


def _caught_on_linux(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
    return int(line.split()[1], 16)


def _caught_on_darwin(pid: int) -> int:
    # kinfo_proc of <sys/sysctl.h>, 648 bytes; p_sigcatch is 7 before p_comm, which is at 243.
    name = (ctypes.c_int * 4)(1, 14, 1, pid)  # CTL_KERN, KERN_PROC, KERN_PROC_PID
    buffer = ctypes.create_string_buffer(648)
    size = ctypes.c_size_t(len(buffer))
    failed = ctypes.CDLL(None).sysctl(name, 4, buffer, ctypes.byref(size), None, 0)
    if failed or size.value < 240:
        return 0
    return int(struct.unpack_from("<I", buffer, 236)[0])
