"""Write the tables of error codes in host/REFERENCE.md: `python -m docs.reference`.

The text comes from the code: the docstring and the advice of each error, and the table of
refusals in `triseal.advice`. A test compares the page with what this module makes.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "host" / "REFERENCE.md"
_BEGIN = "<!-- error codes: made by python -m docs.reference -->\n"
_END = "<!-- end of error codes -->\n"
_HEAD = "| code | cause | cure |\n|---|---|---|\n"
# Errors of the operating system that `triseal.advice` tells apart.
_SYSTEM = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ConnectionError,
    TimeoutError,
    OSError,
)
_NUMBERS = (errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO)
_CAUSE = "what the operating system says"

Row = tuple[str, str, str]


def refusals() -> list[Row]:
    """Code, cause and cure of every refusal of `sealcore`."""
    from triseal import advice

    return [(code, cause, cure) for code, (cause, cure) in advice.REFUSALS.items()]


def errors_of(package: str) -> dict[str, list[Row]]:
    """Code, cause and cure of every error class of a package, by the module that defines it.

    Args:
        package: the name of a package; all its modules are imported, except `__main__`.

    Returns: for each module with such classes, its rows in the order of the source.
    """
    found: dict[str, list[Row]] = {}
    top = importlib.import_module(package)
    for info in pkgutil.walk_packages(top.__path__, package + "."):
        if ".shim" in info.name or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        rows = [_row(one) for one in vars(module).values() if _is_error(one, info.name)]
        if rows:
            found[info.name] = rows
    return found


def _is_error(value: object, module: str) -> bool:
    return (
        inspect.isclass(value)
        and issubclass(value, Exception)
        and value.__module__ == module
        and "code" in vars(value)
        and isinstance(getattr(value, "advice", None), str)
        and value.__base__ is not Exception  # a root is never raised itself
    )


def _row(error: type) -> Row:
    cause = (inspect.getdoc(error) or "").partition("\n\n")[0].replace("\n", " ")
    return error.__dict__["code"], cause, str(getattr(error, "advice", ""))


def others() -> list[Row]:
    """Code, cause and cure of what is no error class of Triseal: files, databases, defects."""
    from sqlalchemy.exc import SQLAlchemyError

    from triseal import advice

    rows = []
    for kind in _SYSTEM:
        code, _, cure = advice.explain(kind(0, _CAUSE))
        rows.append((code, f"`{kind.__name__}`: {_CAUSE}", cure))
    rows.append(advice.NO_FOLDER)
    for number in _NUMBERS:
        code, _, cure = advice.explain(OSError(number, _CAUSE))
        rows.append((code, f"`{errno.errorcode[number]}`: {_CAUSE}", cure))
    code, _, cure = advice.explain(SQLAlchemyError("it"))
    rows.append((code, "the database could not do what it was asked", cure))
    code, _, cure = advice.explain(RuntimeError("it"))
    rows.append((code, "an error of Triseal itself", cure))
    return rows


def codes() -> dict[str, list[Row]]:
    """All error codes: a heading, and the rows below it."""
    host = errors_of("triseal")
    found = {
        "Checks of seals, and refusals of a node (`sealcore`)": refusals(),
        "Developer, Store and files (`triseal.errors`)": host.pop("triseal.errors"),
        "Site (`triseal.site.errors`)": host.pop("triseal.site.errors"),
        "Other parts of the host": [row for rows in host.values() for row in rows],
        "Boards (`boards.errors`)": [row for rows in errors_of("boards").values() for row in rows],
        "Operating system, database, defects": others(),
    }
    return {heading: sorted(rows) for heading, rows in found.items()}


def tables() -> str:
    """The Markdown between the two marks of the page."""
    return "".join(
        f"\n### {heading}\n\n{_HEAD}"
        + "".join(f"| `{code}` | {_cell(cause)} | {_cell(cure)} |\n" for code, cause, cure in rows)
        for heading, rows in codes().items()
    )


def _cell(text: str) -> str:
    """A sentence for one cell: with a capital letter, a full stop and no bar."""
    text = text.strip()
    if text[:1].islower() and not re.match(r"[a-z]+ ?[=({-]|pip ", text):
        text = text[0].upper() + text[1:]
    return (text if text.endswith((".", "`", "'")) else text + ".").replace("|", "\\|")


def page(text: str) -> str:
    """The page with its tables made anew.

    Args:
        text: the page as it is; it must hold both marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, _, rest = text.partition(_BEGIN)
    _, mark, after = rest.partition(_END)
    if not mark:
        raise ValueError(f"{PAGE.name} has lost the marks around its error codes")
    return before + _BEGIN + tables() + "\n" + _END + after


def main() -> int:
    """Run as a command: rewrite the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
