"""Where the files of a Store are: at a URL, in a folder, or in an export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triseal import storefiles
from triseal.storefiles import Source

_URL = ("https:", "http:")


def is_url(where: str) -> bool:
    """Tell whether a place is that of a server.

    Args:
        where: a URL or a path.
    """
    return where.startswith(_URL)


@contextmanager
def opened(where: str) -> Iterator[Source]:
    """Open the files of a Store for reading.

    Args:
        where: the URL of its server or of a mirror; the folder of a mirror; the home of a Store on
            this computer; or a file that `triseal store export` has written.

    Raises:
        Failure: as `Link` or `Stick`.
    """
    if is_url(where):
        from triseal.storelink import Link  # HTTPS takes long to load

        with Link(where, reading=True) as link:
            yield link
    elif Path(where).is_dir():
        yield storefiles.Folder(Path(where))
    else:
        from triseal.stick import Stick

        with Stick(Path(where)) as stick:
            yield stick
