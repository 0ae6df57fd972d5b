"""Errors for people: what went wrong and what to do about it, in one line."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from sealcore import timetext
from sealcore.errors import SealError

_FILE = "Get the file again from its source"
_ISSUE = "Ask its issuer for a certificate that follows Triseal's profile"

# For each error code of `sealcore` a sentence and an advice.
REFUSALS: dict[str, tuple[str, str]] = {
    "malformed-der": ("it is not strict DER, or has another structure than expected", _FILE),
    "unsupported-certificate": ("the certificate has a part that is not supported", _ISSUE),
    "unsupported-key": (
        "the public key is neither RSA of 2048 to 4096 bits nor P-256",
        "Use a key of one of these kinds",
    ),
    "bad-signature": (
        "the signature was not made with the expected key",
        "Do not use it: it was changed, or somebody else signed it",
    ),
    "too-large": ("it exceeds a limit of size or number", "Make it smaller; see the profile"),
    "name-mismatch": (
        "the issuer has another name than the certificate says",
        "Give the certificate of the authority that issued it",
    ),
    "not-authority": ("the issuer must not issue certificates", "Give a CA certificate"),
    "unknown-critical-extension": ("it has an unknown critical extension", _ISSUE),
    "expired": (
        "it is no longer valid",
        "Renew it (`triseal dev renew`, `triseal store renew`), or correct this computer's clock",
    ),
    "not-yet-valid": (
        "it is not yet valid",
        "Check the clocks of both computers",
    ),
    "profile-violation": ("it does not follow Triseal's profile", _ISSUE),
    "untrusted-signer": (
        "no trusted party has this signer's name and key",
        "First register and approve its signer, or let the site trust it",
    ),
    "untrusted-kind": (
        "the site does not let this developer sign software of this kind",
        "If it should, `triseal site trust-developer REQUEST --kinds service,agent,firmware`",
    ),
    "wrong-site": ("it is for another site", "Get the one for this site"),
    "wrong-node": ("it is for another node", "Deploy it to the node that it names"),
    "wrong-service": ("it is for another service", "Check the service's name"),
    "wrong-kind": (
        "the seal and the metadata do not state the same kind of software",
        "Do not use it; ask its developer to sign it again",
    ),
    "wrong-key": (
        "the seal's key is not this node's key",
        "Provision the node again if it has a new key",
    ),
    "predecessor-mismatch": (
        "a seal does not follow the seal before it",
        "Take the whole package from the Store again",
    ),
    "seal-mismatch": (
        "two seals of one service contradict each other",
        "Do not use it, and keep both seals: `triseal evidence make`",
    ),
    "rollback": (
        "it is not newer than what was accepted before",
        "Raise the version, and do not lower the security version",
    ),
    "metadata-mismatch": ("the metadata differs from the metadata that was sealed", _FILE),
    "hash-mismatch": ("the executable differs from the executable that was sealed", _FILE),
    "unloadable": (
        "MicroPython can't load the executable",
        "Ask its developer to build it again, and check the file",
    ),
    "bad-grant": (
        "a grant has a wrong form",
        "Write bus.publish:TOPIC, bus.subscribe:TOPIC, pin:NUMBER, timer, config:KEY or log",
    ),
    "not-granted": (
        "the service used something that it has no grant for",
        "Use `triseal site grant` if the service should have it",
    ),
    "too-fast": (
        "the service sends more than a node can carry",
        "Let it send less; device/SERVICES.md lists the limits",
    ),
    "missing-module": (
        "the service needs a module that the board does not have",
        "Use firmware that has it, or another board",
    ),
    "too-little-heap": (
        "the service needs more heap than the board has left",
        "Remove other services from the node, or use a board with more memory",
    ),
    "weak-entropy": (
        "the board's random numbers are not good enough for a key",
        "Switch the board off and on and repeat; if that does not help, use another board",
    ),
    "not-enrolled": (
        "the node has no certificate of its site yet",
        "Enrol it: `triseal node enrol`, or `triseal node provision` if it has no token",
    ),
    "fell-back": (
        "the new agent or firmware did not prove itself, and the node runs the one before it",
        "Correct it and sign a new version; `triseal site restart NODE NAME` tries this one once "
        "more",
    ),
    "unsupported-board": (
        "the board can't take this agent or firmware over the link",
        "Provision it once more with this release; boards without a spare app partition must be "
        "flashed",
    ),
    "no-trusted-time": (
        "the node does not know the time",
        "Connect it to its site once",
    ),
    "bad-message": (
        "a message does not follow the protocol",
        "Check that both ends have the same release of Triseal",
    ),
}

# Refusals whose detail says more: a sentence and an advice for each. The detail stays.
_SPECIAL = (
    (
        "rollback",
        re.compile(r"time \d+, had \d+"),
        "the time is before a time that the node accepted",
        "Set the clock of this computer; if it is right, the node once got a wrong time: erase it "
        "and provision it again",
    ),
    (
        "rollback",
        re.compile("floors are damaged"),
        "the node can't read the newest time and versions that it accepted",
        "Erase the board and provision the node again",
    ),
)
_TIMES = re.compile(r"\btime (\d{1,12}), had (\d{1,12})\b")
WRITABLE = "Mount the file system so that it can be written, or give another place"
_DISK_FULL = ("disk-full", "Make room on the disk and repeat the command")
_BY_NUMBER: dict[int, tuple[str, str]] = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EROFS: ("read-only-disk", WRITABLE),
    errno.ENAMETOOLONG: ("name-too-long", "Give a shorter name"),
    errno.ELOOP: ("link-to-itself", "Correct the symbolic link"),
    errno.ENXIO: ("nobody-reads", "Start the program that reads from the pipe first"),
}
NO_FOLDER = ("no-folder", "the current folder was deleted", "Change to another folder")
_OS_ERRORS: dict[type[OSError], tuple[str, str]] = {
    FileNotFoundError: ("file-not-found", "Check the path"),
    IsADirectoryError: ("not-a-file", "Name one file, not a folder"),
    NotADirectoryError: ("not-a-folder", "Check the path"),
    PermissionError: ("permission-denied", "Check its owner and permissions"),
    ConnectionError: ("no-connection", "Check that the other side is running"),
    TimeoutError: ("timed-out", "Repeat the command"),
}


def line(error: BaseException) -> str:
    """Format a failure as one line: code, what happened, and what to do.

    Args:
        error: a SealError, an OSError, an error of the database, or an error with `code` and
            `advice` as all errors of Triseal have them. Every other error counts as a defect of
            Triseal.
    """
    code, what, advice = explain(error)
    if advice[:1].isupper() and advice[1:2].islower():
        advice = advice[0].lower() + advice[1:]
    return printable(f"{code}: {what}; {advice.rstrip('.')}")


def printable(value: object) -> str:
    """Escape the unprintable characters of a text, so that it can't control the terminal.

    Args:
        value: the text, or a value to convert to text.
    """
    text = str(value)
    if text.isprintable():  # most are, and some lists are long
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in text
    )


def explain(error: BaseException) -> tuple[str, str, str]:
    """Split a failure into three parts, for programs.

    Args:
        error: as for `line`.

    Returns: its stable code, what happened with the notes of the error, and what to do about it.
    """
    code, what, advice = _explain(error)
    notes = "; ".join(getattr(error, "__notes__", ()))
    return code, f"{what} ({notes})" if notes else what, advice


def _explain(error: BaseException) -> tuple[str, str, str]:
    if isinstance(error, SealError):
        return _refusal(error.code, str(error))
    if hasattr(error, "code") and hasattr(error, "advice"):
        detail = str(error).removeprefix(f"{error.code}: ")
        return error.code, detail or "it failed", error.advice
    if isinstance(error, OSError):
        return _os_error(error)
    from sqlalchemy.exc import SQLAlchemyError  # takes longer to load than most commands to run

    if isinstance(error, SQLAlchemyError):
        lines = str(error).splitlines()
        return "database-failed", lines[0] if lines else "database", "Check the database"
    kind = type(error).__name__
    return "defect", f"{kind}: {error}", "Report it, with TRISEAL_DEBUG=1 for the traceback"


def _refusal(code: str, detail: str) -> tuple[str, str, str]:
    if code not in REFUSALS:  # a newer release on the other side may have codes of its own
        return code, detail or "refused", "Update Triseal"
    sentence, advice = REFUSALS[code]
    for special, detailed, *words in _SPECIAL:
        if code == special and detailed.search(detail):
            sentence, advice = words
    detail = _TIMES.sub(_as_times, detail)
    return code, f"{sentence} ({detail})" if detail else sentence, advice


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _as_times(found: re.Match[str]) -> str:
    given, had = (str(timetext.iso(int(seconds))) for seconds in found.groups())
    return f"{given}; it had {had}"


def _os_error(error: OSError) -> tuple[str, str, str]:
    code, advice = "system-failed", "Solve that and repeat the command"
    for kind, known in _OS_ERRORS.items():
        if isinstance(error, kind):
            code, advice = known
    code, advice = _BY_NUMBER.get(error.errno or 0, (code, advice))
    if isinstance(error, FileNotFoundError) and _is_nowhere():
        return NO_FOLDER
    where = f"{error.filename}: " if error.filename else ""
    return code, f"{where}{error.strerror or error}", advice
