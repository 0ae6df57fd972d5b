"""Reads the maps of modules in the documents: the tables under a heading "Map"."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_SECTION = re.compile(r"^## Map\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")


def listed(page: str) -> list[str]:
    """Paths of all modules in a page's map, relative to the root.

    A first cell such as **`records/`** names the folder of the rows below it, relative to the
    folder of the page; all other code in first cells names modules.

    Args:
        page: path of the Markdown file, relative to the root.
    """
    (section,) = _SECTION.findall((ROOT / page).read_text(encoding="utf-8"))
    base = folder = Path(page).parent
    found = []
    for row in section.splitlines():
        if not row.startswith("| "):
            continue
        cell = row.split("|")[1].strip()
        names = _CODE.findall(cell)
        if cell.startswith("**`"):
            folder = base / names[0]
        else:
            found += [(folder / name).as_posix() for name in names]
    return found
