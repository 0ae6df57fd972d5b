"""How many packages of 10 KB a Store's server gives out in a second, over HTTP, to four readers.

The baseline is nginx with the same file, to the same readers; there is none without nginx.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import Figure
from bench._store import Shop, served
from triseal.copies import storefiles

_READERS = 4
_SECONDS = 3.0
_SIZE = 10_000
_PATIENCE = 20.0


def measure() -> Iterator[Figure]:
    """Yield the packages in a second of one server process."""
    with tempfile.TemporaryDirectory(prefix="triseal-bench-") as top:
        shop = Shop(Path(top) / "store")
        made = shop.store.submit(shop.package(shop.developers[0], "thermo", "1.0", _SIZE))[1]
        shop.store.close()
        path = "/" + storefiles.package_path(made.digest())
        size = len(made.der())
        with served(shop.home, "--behind-proxy") as (url, _):
            ours = _rate(int(url.rpartition(":")[2]), path, size)
        if shutil.which("nginx") is None:
            yield Figure("store.read", ours, "1/s")
            return
        with _nginx(Path(top), shop.home / "public") as port:
            yield Figure("store.read", ours, "1/s", _rate(port, path, size))


def _rate(port: int, path: str, size: int) -> float:
    counts = [0] * _READERS
    end = time.perf_counter() + _SECONDS

    def read(which: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        while time.perf_counter() < end:
            link.request("GET", path)
            counts[which] += len(link.getresponse().read()) == size
        link.close()

    began = time.perf_counter()
    threads = [threading.Thread(target=read, args=(which,)) for which in range(_READERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(counts) / (time.perf_counter() - began)


@contextmanager
def _nginx(top: Path, public: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    top.chmod(0o755)  # its worker may be another user
    settings = top / "nginx.conf"
    settings.write_text(
        f"""daemon off; worker_processes 1; pid {top}/nginx.pid; error_log {top}/error.log;
        user root;
        events {{}}
        http {{
            access_log off;
            server {{ listen 127.0.0.1:{port}; location / {{ root {public}; }} }}
        }}""",
        encoding="utf-8",
    )
    command = ["nginx", "-p", str(top), "-c", str(settings), "-e", str(top / "error.log")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _wait(port: int) -> None:
    end = time.perf_counter() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.perf_counter() > end:
                raise
            time.sleep(0.05)
        else:
            return
