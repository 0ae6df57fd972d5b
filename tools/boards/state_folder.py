"""The folder of this computer for everything that outlives a command."""

import contextlib
import hashlib
import os
import pwd
import secrets
import stat
from pathlib import Path

from boards.errors import NoHome

_HASH_BYTES = 32
_FOLDER = 0o700
_FILE = 0o600
_WRITABLE_BY_OTHERS = 0o022


def root() -> Path:
    """Return the folder for state: `TRISEAL_HOME`, else the user's own state folder.

    Returns:
        An absolute path, which need not exist yet.

    Raises:
        NoHome: there is no such folder.
    """
    chosen = os.environ.get("TRISEAL_HOME")
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError:
            raise NoHome(f"TRISEAL_HOME names the home of an unknown user: {chosen}") from None
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    # A relative path would be another folder in each folder. The specification ignores it, too.
    state = base if base.is_absolute() else _home() / ".local" / "state"
    return state / "triseal"


def _home() -> Path:
    named = Path(os.environ.get("HOME", ""))
    if named.is_absolute():
        return named
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise NoHome(f"user {os.getuid()} has no home folder") from None


def make(folder: Path) -> None:
    """Make a folder and those above it, unless they are there: only for their owner.

    Args:
        folder: its path.
    """
    # `mkdir` of pathlib gives the folders above the mode that the umask leaves.
    missing = []
    while not folder.exists() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was faster
            one.mkdir(_FOLDER)
            one.chmod(_FOLDER)  # whatever the umask


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, only for its owner: to a temporary name, then renamed.

    Args:
        path: the file; its folder is made.
        data: all of its bytes.
    """
    make(path.parent)
    # A unique name: threads of one process may write the same file, each for its board.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _FILE)  # whatever the umask
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def cached(name: str) -> bytes | None:
    """Return what `cache` has kept, or None.

    Nobody else may have written it, and it is as it was written: code from here goes onto boards.

    Args:
        name: its path below the folder of the cache.
    """
    try:
        path = _cache(name)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not all(map(_is_ours, (os.fstat(descriptor), path.parent.lstat()))):
                return None
            kept = file.read()
    except (OSError, NoHome):
        return None
    data = kept[_HASH_BYTES:]
    return data if kept[:_HASH_BYTES] == _digest(name, data) else None


def cache(name: str, data: bytes) -> None:
    """Keep data that can be made again. If that fails, the work goes on without it.

    Args:
        name: its path below the folder of the cache.
        data: all of its bytes.
    """
    with contextlib.suppress(OSError, NoHome):
        write(_cache(name), _digest(name, data) + data)


def _cache(name: str) -> Path:
    chosen = os.environ.get("TRISEAL_CACHE")
    return (Path(chosen).absolute() if chosen else root() / "cache") / name


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + data).digest()


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & _WRITABLE_BY_OTHERS
