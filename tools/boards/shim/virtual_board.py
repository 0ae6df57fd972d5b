"""The inside of a virtual board: what firmware does before boot.py, on MicroPython's unix port.

`micropython -i -c "..."` calls `boot`; the REPL that follows is the interpreter's own. Nothing here
belongs to the device code.
"""

import os
import sys

import machine
import micropython
import vfs


def _mount(filesystem, place, read_only):
    # Imported before the mount, which puts this folder out of reach.
    flash = __import__("flash_" + filesystem).open_flash(place)
    vfs.umount("/")
    vfs.mount(flash, "/", readonly=read_only)
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]


def _run(name, scope):
    # As firmware runs boot.py and main.py; true if it ended by itself or is not there.
    try:
        os.stat(name)
    except OSError:
        return True
    try:
        execfile(name, scope)  # noqa: F821
        return True
    except SystemExit:
        # Firmware takes this for a soft reset; `-i` would go on to the prompt.
        os.system("kill -TERM $PPID")  # noqa: S605
    except BaseException as error:
        sys.print_exception(error)
    return False


def boot(settings, scope):
    """Mount the flash, say that input is welcome, then run what is on the flash.

    `settings`: "filesystem" and its "place", "read_only", "pins" (folder), "id" (hex), "cause" of
    the reset, "token" (printed when ready, and again before the raw REPL), "raw" (the reset came
    from the raw REPL, so main.py must not run), "interrupted" (nothing must run), "leash" (a
    terminal to be hung up with). `scope`: globals of boot.py, main.py and the REPL.
    """
    micropython.kbd_intr(-1)
    # Opening is enough: the first terminal of a session stays its controlling one.
    open(settings["leash"]).close()
    machine.configure(settings["id"], settings["cause"], settings["pins"])
    _mount(settings["filesystem"], settings["place"], settings["read_only"])
    try:
        micropython.kbd_intr(3)
        sys.stdout.write(settings["token"])
        if settings["interrupted"]:
            return
        if _run("boot.py", scope) and not settings["raw"]:
            _run("main.py", scope)
    finally:
        micropython.kbd_intr(-1)
        if settings["raw"]:
            sys.stdout.write(settings["token"])
