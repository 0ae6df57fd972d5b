"""Run boot.py and main.py of a virtual board, as firmware does."""

import os
import sys

import micropython


def run(scope, token, raw, interrupted):
    """Report that the board takes input, then run boot.py and main.py from the mounted
    flash.

    Args:
        scope: the globals of the programs.
        token: printed when ready.
        raw: whether the reset came from the raw REPL.
        interrupted: whether no program may run.

    `boot` in `virtual_board` explains the arguments further.
    """
    try:
        micropython.kbd_intr(3)
        sys.stdout.write(token)
        if not interrupted and _run("boot.py", scope) and not raw:
            _run("main.py", scope)
    finally:
        micropython.kbd_intr(-1)
        if raw:
            sys.stdout.write(token)


def _run(name, scope):
    # Return True if the program ended by itself or does not exist.
    try:
        os.stat(name)
    except OSError:
        return True
    try:
        execfile(name, scope)  # noqa: F821
        return True
    except SystemExit:
        # The firmware treats this as a soft reset; `-i` alone would go on to the prompt.
        os.system("kill -TERM $PPID")  # noqa: S605
    except BaseException as error:
        sys.print_exception(error)
    return False
