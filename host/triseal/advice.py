"""For people: what went wrong and what to do about it, in one line."""

from __future__ import annotations

from sealcore.errors import SealError

_FILE = "Get the file again from where it came"
_ISSUE = "Ask whoever issued it for one by Triseal's profile"

# For each code of `sealcore` a sentence and an advice.
REFUSALS: dict[str, tuple[str, str]] = {
    "malformed-der": ("the bytes are not strict DER, or not the structure that is due", _FILE),
    "unsupported-certificate": ("the certificate uses what no verifier here accepts", _ISSUE),
    "unsupported-key": (
        "the public key is neither RSA of 2048 to 4096 bit nor P-256",
        "Use a key of one of these kinds",
    ),
    "bad-signature": (
        "the signature does not verify with the key that should have made it",
        "Do not use it: it was changed, or signed by somebody else",
    ),
    "too-large": ("a bound on size or number is exceeded", "Make it smaller; see the profile"),
    "name-mismatch": (
        "the issuer's name is not the one that the certificate gives",
        "Give the certificate of the authority that issued it",
    ),
    "not-authority": ("the issuer may not issue certificates", "Give a CA certificate"),
    "unknown-critical-extension": ("a critical extension is not understood", _ISSUE),
    "expired": (
        "the time is past the end of validity",
        "Renew it, and check the clock of this computer",
    ),
    "not-yet-valid": (
        "the time is before the begin of validity",
        "Check the clocks of both computers",
    ),
    "profile-violation": ("it is not what Triseal's profile wants", _ISSUE),
    "untrusted-signer": (
        "nobody trusted here has this signer's name and key",
        "Have its signer registered and approved (or trusted by the site) first",
    ),
    "wrong-site": ("it is for another site", "Ask the right site for it"),
    "wrong-node": ("it is for another node", "Deploy it to the node that it names"),
    "wrong-service": ("it is for another service", "Check the service's name"),
    "wrong-key": (
        "the seal's key is not this node's key",
        "Provision the node again if it has a new key",
    ),
    "predecessor-mismatch": (
        "a seal does not build on the seal that lies before it",
        "Put together what belongs together: take the package whole from the Store",
    ),
    "seal-mismatch": (
        "two seals of one service say different things",
        "Do not use it, and keep both seals: `triseal evidence make`",
    ),
    "rollback": (
        "it is older than, or as old as, what was accepted before",
        "Raise the version, and the security version where it went down",
    ),
    "metadata-mismatch": ("the metadata is not what the seals pin", _FILE),
    "hash-mismatch": ("the executable is not what the seals pin", _FILE),
    "unloadable": (
        "the executable is nothing that MicroPython can load",
        "Have its developer build it anew, and check the file",
    ),
    "bad-grant": (
        "a grant is not written as grants are",
        "Write bus.publish:TOPIC, bus.subscribe:TOPIC, pin:NUMBER, config:KEY or log",
    ),
    "not-granted": (
        "the service used what no grant gives it",
        "Grant it with `triseal site grant`, if the service should have it",
    ),
    "too-fast": (
        "the service says more than a node carries",
        "Have it say less: device/README.md has the bounds",
    ),
    "missing-module": (
        "the service needs a module that the board does not have",
        "Take firmware that has it, or another board",
    ),
    "too-little-heap": (
        "the service needs more heap than the board has left",
        "Remove other services from the node, or take a board with more memory",
    ),
    "weak-entropy": (
        "the board's random numbers are too poor to make a key of",
        "Power it off and on and repeat; if that does not help, take another board",
    ),
    "not-enrolled": (
        "the node has no certificate of its site yet",
        "Enrol it: `triseal node enrol`, or `triseal node provision` where it has no token",
    ),
    "no-trusted-time": (
        "the node does not know the time well enough to decide",
        "Connect it to its site once",
    ),
    "bad-message": (
        "a message is not of the protocol, or out of order",
        "Check that both ends have the same release of Triseal",
    ),
}

_OS_ERRORS: dict[type[OSError], tuple[str, str]] = {
    FileNotFoundError: ("file-not-found", "Check the path"),
    IsADirectoryError: ("not-a-file", "Name one file, not a folder"),
    NotADirectoryError: ("not-a-folder", "Check the path"),
    PermissionError: ("permission-denied", "Check who owns it and who you are"),
    ConnectionError: ("no-connection", "Check that the other side runs"),
    TimeoutError: ("timed-out", "Repeat the command"),
}


def line(error: BaseException) -> str:
    """A failure in one line: code, what, and what to do.

    Args:
        error: a SealError, an OSError, a database's error, or anything with `code` and `advice`
            as all of Triseal's own errors have; else a defect of Triseal.
    """
    code, what, advice = explain(error)
    if advice[:1].isupper() and advice[1:2].islower():
        advice = advice[0].lower() + advice[1:]
    return printable(f"{code}: {what}; {advice.rstrip('.')}")


def printable(value: object) -> str:
    """Text of a value that steers no terminal: what others wrote is shown, not obeyed."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in str(value)
    )


def explain(error: BaseException) -> tuple[str, str, str]:
    """A failure in three parts, for programs.

    Args:
        error: as for `line`.

    Returns: its stable code, what happened, and what to do about it.
    """
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
    return code, f"{sentence} ({detail})" if detail else sentence, advice


def _os_error(error: OSError) -> tuple[str, str, str]:
    code, advice = "system-failed", "Solve that and repeat the command"
    for kind, known in _OS_ERRORS.items():
        if isinstance(error, kind):
            code, advice = known
    where = f"{error.filename}: " if error.filename else ""
    return code, f"{where}{error.strerror or error}", advice
