"""Makes a board a node: its code, its own key, its certificate, the site's trust bundle.

What a certificate is, and who issues it, is the caller's business: this module carries bytes.
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
_OLDEST = (1, 22)  # MicroPython whose bytecode and modules the device code needs
KEY_SECONDS = 180.0  # a P-256 key made in pure Python on a slow board

# issue(request) answers a DER PKCS #10 request with the files for /triseal/incoming, by name.
Issue = Callable[[bytes], Mapping[str, bytes]]
# report(step, octets so far, octets in all); the last two are 0 for steps without octets.
Report = Callable[[str, int, int], None]


class Provisioned(NamedTuple):
    """What provisioning did.

    Attributes:
        facts: of the board, before.
        code: what was copied of the code.
        files: what was issued, by path on the board, with sizes.
        foreign: what else was on the board.
    """

    facts: Facts
    code: stage.Installed
    files: dict[str, int]
    foreign: inventory.Found


def install_code(
    board: Board, report: Report | None = None, foreign: inventory.Foreign = "refuse"
) -> tuple[Facts, stage.Installed, inventory.Found]:
    """Bring the agent's code on a board up to date; what its firmware holds is not copied.

    Args:
        board: where to.
        report: told of each step and piece.
        foreign: what becomes of files that nobody knows.

    Raises:
        UnsupportedFirmware: the board runs no MicroPython, or one that is too old.
        OtherAgent: its firmware has one in it that is not this computer's.
        ForeignFiles, NotMoved: there is something else on it.
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

    The board makes its key itself and keeps it; only the request leaves it. What is issued is put
    into a folder of its own and activated by the board after it has checked it, all or nothing: a
    board that is cut off on the way is as it was, and the same call completes it.

    Args:
        board: any board.
        node: the node's name, for the request.
        issue: gives certificate and trust bundle for the request.
        report: told of each step and piece.
        foreign: what becomes of files that nobody knows. A board that ran malice is no case for
            this: its firmware may be another one, so it is erased and flashed.

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
    """Have the board make its key, unless it has one, and sign a request with it.

    A board's own random numbers may be poor, so the key is made of some of this computer's, too.

    Returns:
        A PKCS #10 request, DER.

    Raises:
        VerifyFailed: what came is not even hexadecimal.
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
    """Have the board check what was delivered to INCOMING, and take all of it or nothing."""
    (report or _silent)("activate", 0, 0)
    board.clear()
    board.exec(device_code.agent("nlsm.enrol", "nlsm.enrol.accept()"), KEY_SECONDS)


def deliver(board: Board, files: Sequence[tuple[str, bytes]], report: Report | None = None) -> None:
    """Write files to a board, verified; those that are there already are left alone.

    Args:
        board: where to.
        files: (path, contents) of each.
        report: told of each piece, as step "write".

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
    """Refuse a board that the device code does not run on.

    Raises:
        UnsupportedFirmware: it runs no MicroPython, or one that is too old.
    """
    if facts.implementation != "micropython" or facts.version < _OLDEST:
        version = ".".join(str(part) for part in facts.version)
        raise UnsupportedFirmware(f"the board runs {facts.implementation} {version}")


def _silent(step: str, done: int, total: int) -> None:
    """What is told to nobody."""
