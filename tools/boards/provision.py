"""Make a board a node: its code, its own key, its certificate, the site's trust bundle.

This module only carries bytes. The caller knows what a certificate is and who issues it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from boards import device_code, inventory
from boards.board import Board
from boards.code import frozen, stage
from boards.errors import UnsupportedFirmware, VerifyFailed
from boards.facts import Facts

INCOMING = "/triseal/incoming"
_EXTRA = 32  # random bytes for the board's key
OLDEST = (1, 22)  # the oldest MicroPython whose bytecode and modules suffice
KEY_SECONDS = 180.0  # a P-256 key made in pure Python on a slow board

# issue(request) returns the files for /triseal/incoming, by name, for a DER PKCS #10 request.
Issue = Callable[[bytes], Mapping[str, bytes]]
# report(step, bytes so far, bytes in all); the last two are 0 for steps without bytes.
Report = Callable[[str, int, int], None]


class Provisioned(NamedTuple):
    """The result of provisioning.

    Attributes:
        facts: of the board, before.
        code: the code that was copied.
        files: the issued files, by path on the board, with sizes in bytes.
        foreign: other files that were on the board.
    """

    facts: Facts
    code: stage.Installed
    files: dict[str, int]
    foreign: inventory.Found


def install_code(
    board: Board, report: Report | None = None, foreign: inventory.Foreign = "refuse"
) -> tuple[Facts, stage.Installed, inventory.Found]:
    """Bring the agent's code on a board up to date; code that its firmware holds is not copied.

    Args:
        board: the board.
        report: called for each step and piece.
        foreign: what to do with files that nobody knows.

    Returns: the board's facts, the copied code, and the foreign files.

    Raises:
        UnsupportedFirmware: the board runs no MicroPython, or one that is too old.
        OtherAgent: its firmware has an agent that is not this computer's.
        ForeignFiles, NotMoved: it has other files.
        SourcesMissing, CompileFailed: on this computer.
        BoardError: as `stage.install`.
    """
    tell = report or _silent
    tell("look", 0, 0)
    facts = board.facts()
    require_supported(facts)
    found = inventory.settle(board, foreign)
    in_firmware = frozen.on_board(board)
    if in_firmware:
        files = [stage.main_file()]
    else:
        tell("compile", 0, 0)
        files = stage.plan(facts.target)
    done = stage.install(board, files, lambda _, done, total: tell("copy", done, total))
    return facts, done._replace(in_firmware=in_firmware), found


def provision(
    board: Board,
    node: str,
    issue: Issue,
    report: Report | None = None,
    foreign: inventory.Foreign = "refuse",
) -> Provisioned:
    """Make a board the node `node`.

    The board makes its key itself and keeps it; only the request leaves the board. The issued files
    go into a folder of their own. The board checks and activates all of them or none. If it is cut
    off on the way, it is as it was before, and the same call completes the work.

    Args:
        board: any board.
        node: the node's name, for the request.
        issue: returns certificate and trust bundle for the request.
        report: called for each step and piece.
        foreign: what to do with files that nobody knows. This does not help with a board that ran
            malicious code: its firmware may have been replaced, so erase and flash it.

    Raises:
        UnsupportedFirmware, OtherAgent, ForeignFiles, DeviceFailed, FlashFull, ...: see
            `boards.errors`; and whatever `issue` raises.
    """
    tell = report or _silent
    facts, code, found = install_code(board, report, foreign)
    tell("key", 0, 0)
    request = request_certificate(board, node)
    tell("issue", 0, 0)
    issued = {f"{INCOMING}/{name}": data for name, data in issue(request).items()}
    deliver(board, list(issued.items()), report)
    activate(board, report)
    tell("restart", 0, 0)
    board.soft_reset()
    return Provisioned(facts, code, {path: len(data) for path, data in issued.items()}, found)


def request_certificate(board: Board, node: str) -> bytes:
    """Let the board make its key, unless it has one, and sign a request with it.

    A board's own random numbers may be poor, so random bytes of this computer are part of the key.

    Args:
        board: the board.
        node: the node's name.

    Returns:
        A PKCS #10 request, DER.

    Raises:
        VerifyFailed: the answer is not even hexadecimal.
    """
    board.clear()
    extra = secrets.token_bytes(_EXTRA)
    code = device_code.agent("nlsm.enrol", f"nlsm.enrol.request({node!r}, {extra!r})")
    printed = board.exec(code, KEY_SECONDS)
    lines = printed.split()
    try:
        return bytes.fromhex(lines[-1])
    except (IndexError, ValueError):
        raise VerifyFailed("the board's certificate request did not arrive whole") from None


def activate(board: Board, report: Report | None = None) -> None:
    """Let the board check the files in INCOMING, and take all of them or none.

    Args:
        board: the board.
        report: called for the step.

    Raises:
        DeviceFailed: the board refuses them.
    """
    (report or _silent)("activate", 0, 0)
    board.clear()
    board.exec(device_code.agent("nlsm.enrol", "nlsm.enrol.accept()"), KEY_SECONDS)


def deliver(board: Board, files: Sequence[tuple[str, bytes]], report: Report | None = None) -> None:
    """Write files to a board, verified; files that are there already stay.

    Args:
        board: the board.
        files: (path, contents) of each.
        report: called for each piece, as step "write".

    Raises:
        FlashFull, FlashReadOnly, VerifyFailed: the board can't take it.
    """
    tell = report or _silent
    total = sum(len(data) for _, data in files)
    done = 0
    present = board.hashes(path for path, _ in files)
    for folder in sorted({path.rpartition("/")[0] for path, _ in files} - {""}):
        board.mkdirs(folder)
    for path, data in files:
        if present.get(path) != stage.StagedFile(path, data).sha256:
            board.write(path, data, stage.counted(tell, "write", done, total))
        done += len(data)
    tell("write", total, total)


def require_supported(facts: Facts) -> None:
    """Refuse a board on which the device code does not run.

    Args:
        facts: the board's.

    Raises:
        UnsupportedFirmware: it runs no MicroPython, or one that is too old.
    """
    if facts.implementation != "micropython" or facts.version < OLDEST:
        version = ".".join(str(part) for part in facts.version)
        raise UnsupportedFirmware(f"the board runs {facts.implementation} {version}")


def _silent(step: str, done: int, total: int) -> None:
    """Report nothing."""
