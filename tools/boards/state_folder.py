"""The folder of this computer for everything that outlives a command."""

import os
import secrets
from pathlib import Path


def root() -> Path:
    """Return the folder for state: `TRISEAL_HOME`, else the user's own state folder.

    Returns:
        An absolute path, which need not exist yet.
    """
    chosen = os.environ.get("TRISEAL_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "triseal"


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary name, then renamed.

    Args:
        path: the file; its folder is made.
        data: all of its bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unique name: threads of one process may write the same file, each for its board.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
