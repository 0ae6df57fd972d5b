"""The inside of a virtual board: the work of firmware before boot.py, on MicroPython's unix port.

`micropython -i -c "..."` calls `boot` and then the function that it returns. The REPL that follows
is the interpreter's own. None of this belongs to the device code. On a board it is firmware. Here
it takes heap, so it is written to be small, even in its names, because each new name takes memory
until the end. Everything but `board_programs` is removed after use.
"""

import os
import sys

import machine
import micropython
import vfs


def boot(args):
    """Mount the flash, and return a function that takes the globals of its programs and runs them.

    Args:
        args: module that opens the flash, its place, how many ms each change of it takes, whether
            it is mounted read-only; identity in hexadecimal, cause of the reset, folder of the
            pins, descriptor of the watchdog and its longest time in ms; arguments for
            `esp32.configure` and for `flaws.apply`, each None where there is no such thing; a
            token, printed when ready and again before the raw REPL; whether the reset came from the
            raw REPL, so that main.py must not run, and whether nothing must run; a terminal to be
            hung up with.
    """
    flash, place, slow, read_only, hardware, app, flaws, token, raw, interrupted, leash = args
    micropython.kbd_intr(-1)
    # Opening is enough: the first terminal of a session stays its controlling one.
    open(leash).close()
    machine.configure(*hardware)
    if app:
        __import__("esp32").configure(*app)
    if flaws:
        __import__("flaws").apply(*flaws)
    # This is imported before the mount, because its folder cannot be reached afterwards.
    run = __import__("board_programs").run
    flash = __import__(flash).open_flash(place, slow)
    vfs.umount("/")
    vfs.mount(flash, "/", readonly=read_only)
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    del sys.modules["virtual_board"]
    return lambda scope: run(scope, token, raw, interrupted)
