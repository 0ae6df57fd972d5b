"""Where the files of a Store are: at a URL, in a folder, or in an export."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triseal.copies import storefiles
from triseal.copies.storefiles import Source
from triseal.stop import Stop

_URL = ("https:", "http:")


@contextmanager
def opened(where: str, seconds: float = math.inf, stop: Stop | None = None) -> Iterator[Source]:
    """Open the files of a Store for reading.

    Args:
        where: the URL of its server or of a mirror; the folder of a mirror; the home of a Store on
            this computer; or a file that `triseal store export` has written.
        seconds: how long all calls to a server may last together.
        stop: ends them earlier, from another thread.

    Raises:
        Failure: as `Link` or `Stick`.
    """
    if where.startswith(_URL):
        from triseal.storelink import Link  # HTTPS takes long to load

        with Link(where, reading=True, seconds=seconds, stop=stop) as link:
            yield link
    elif Path(where).is_dir():
        yield storefiles.Folder(Path(where))
    else:
        from triseal.copies.stick import Stick

        with Stick(Path(where)) as stick:
            yield stick
