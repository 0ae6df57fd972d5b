"""Pictures of a Store's pages for people, as Chromium shows them, for the site of `make docs`.

They are made anew each time, and never kept in the repository.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fastapi import FastAPI

from triseal import request, signer
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.keysource import NewKey
from triseal.serving import bounded
from triseal.signer import KeySigner
from triseal.store import authority
from triseal.store.changes import Why
from triseal.store.server import people, process
from triseal.store.store import Store, init

PAGES = {"front": "/", "service": "/services/thermo", "release": "/services/thermo/1.0.0"}
WIDTHS = (390, 1280)
_DARK = "--blink-settings=preferredColorScheme=0"
_TEXT = """# Pages of a Store

A browser shows these pages of `triseal store serve` at the width of a telephone and of a screen
on a desk, in light and in dark colours.
"""
_MISSING = """
There was no Chromium when this site was built (`apt install chromium`), so there are no pictures.
"""


def write(page: Path) -> None:
    """Write a page of the documents with pictures beside it, or without where there is no browser.

    Args:
        page: the page, whose folder exists.
    """
    if not shutil.which("chromium"):
        page.write_text(_TEXT + _MISSING, encoding="utf-8")
        return
    lines = [_TEXT]
    for name, picture in take(page.parent):
        lines.append(f"![{name}]({picture.name})\n")
    page.write_text("\n".join(lines), encoding="utf-8")


def take(folder: Path) -> Iterator[tuple[str, Path]]:
    """Take all pictures; return what each shows, and its file.

    Args:
        folder: where they go.
    """
    with served() as base, tempfile.TemporaryDirectory() as profile:
        for name, path in PAGES.items():
            for width in WIDTHS:
                for colours in ("light", "dark"):
                    file = folder / f"store-{name}-{width}-{colours}.png"
                    browse(base + path, Path(profile), file, width, dark=colours == "dark")
                    yield f"{name}, {width} pixels, {colours}", file


def browse(url: str, profile: Path, file: Path, width: int, *, dark: bool) -> None:
    """Take one picture.

    Args:
        url: of the page.
        profile: folder for what the browser keeps.
        file: the picture, PNG.
        width: of the window, pixels.
        dark: whether the reader wants dark colours.
    """
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={profile}", f"--window-size={width},900", f"--screenshot={file}"]
    command += [_DARK] if dark else []
    subprocess.run([*command, url], check=True, capture_output=True, timeout=120)


@contextmanager
def served() -> Iterator[str]:
    """Serve the pages of a Store with some releases; its URL."""
    with tempfile.TemporaryDirectory() as top, closing(_store(Path(top) / "store")) as store:
        made = FastAPI()
        people.install(made, people.People(store))
        with process.listen("127.0.0.1", 0) as listener:
            http = type("HTTP", (bounded.DoorHTTP,), {"door": listener})
            server = bounded.server(made, http)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                thread.join()


def _store(home: Path) -> Store:
    valid = Validity(int(time.time()) - 60, int(time.time()) + 365 * 86400)
    init(home, "Shop", NewKey("p256"), valid)
    store = Store(home, lambda: authority.unlock(home, bytes))
    ada = Developer("Ada", KeySigner(signer.generate("p256")))
    store.approve(store.register(request.make(ada.signer, "Ada")).fingerprint)
    for service, version in (
        ("thermo", "1.0.0"),
        ("thermo", "1.1.0"),
        ("lamp", "2"),
        ("siren", "1"),
    ):
        code = b"async def main(ctx):\n    ctx.log('on')\n"
        store.submit(sign(ada, Release(service, version, 1), "app.py", code, valid))
    store.withdraw("thermo", "1.1.0", Why("it drains batteries", "Eve"))
    store.quarantine("siren", "", Why("looked into", "Eve"))
    store.archive("lamp", Why("nobody works on it", "Eve"))
    return store
