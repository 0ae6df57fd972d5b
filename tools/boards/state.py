"""Where things that outlive a command are kept on this computer."""

import os
from pathlib import Path


def root() -> Path:
    """The folder for state: `TRISEAL_HOME`, else the user's own state folder.

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
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
