"""The files of results: JSON in a folder `build`."""

from __future__ import annotations

import json
from pathlib import Path

from triseal import files

BUILD = Path("build")


def write_json(path: Path, content: object) -> None:
    """Write a value as JSON, through a rename. The folder is created if needed.

    Args:
        path: file to write.
        content: the value.
    """
    files.write(path, (json.dumps(content, indent=1) + "\n").encode())
