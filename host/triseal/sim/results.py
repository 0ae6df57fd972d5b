"""Where results go, and how: as JSON, complete at every moment."""

from __future__ import annotations

import json
from pathlib import Path

from triseal import files

BUILD = Path("build")


def write_json(path: Path, content: object) -> None:
    """Write `content` to `path`; makes the folder if need be."""
    files.write(path, (json.dumps(content, indent=1) + "\n").encode())
