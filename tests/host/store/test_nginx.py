"""nginx before a Store, as OPERATIONS.md has it: it has the files, and the server has the rest."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.host.store.test_store import ADA, ADA_KEY, World
from tests.worlds import seals, store_service
from tests.worlds.site_world import code_of
from triseal import package, request
from triseal.certificate import Validity
from triseal.cli.main import main
from triseal.copies.answer import sealed_by
from triseal.request import fingerprint
from triseal.signer import KeySigner
from triseal.storelink import Link

PAGE = Path(__file__).parents[3] / "host/OPERATIONS.md"
VALID = Validity(int(time.time()) - 86400, int(time.time()) + 300 * 86400)
_AROUND = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@contextmanager
def nginx(folder: Path, home: Path, behind: str) -> Iterator[int]:
    """Run nginx with the configuration of the page; yields its port."""
    (server,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for was, now in (
            ("listen 443", f"listen 127.0.0.1:{port}"),
            ("/var/lib/triseal/store", str(home)),
            ("http://127.0.0.1:7490", behind),
        ):
            assert was in server
            server = server.replace(was, now)
        config = folder / "nginx.conf"
        user = "" if os.getuid() else "user root;"  # or it could not read the folder
        config.write_text(_AROUND.format(folder=folder, server=server, user=user))
        command = [needs.nginx_program(), "-p", str(folder), "-c", str(config)]
        number = listener.fileno()
        # nginx takes the socket that it is given: nobody can take the port meanwhile.
        settings = os.environ | {"NGINX": f"{number};"}
        with subprocess.Popen(command, env=settings, pass_fds=[number]) as process:
            try:
                yield port
            finally:
                process.terminate()


def test_a_site_gets_packages_through_nginx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := needs.nginx():
        pytest.skip(reason)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "state"))
    home = tmp_path / "store"

    def run(*words: str) -> Any:
        assert main([*words, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    with World(home) as world:
        world.now = int(time.time())
        world.store.server_certificate(["127.0.0.1"])
        mark = fingerprint(world.store.certificate.spki)
        process = store_service.start(home, "--behind-proxy")
        try:
            behind = store_service.url_of(process)
            with nginx(tmp_path, home, behind) as port:
                url = f"https://127.0.0.1:{port}#{mark}"
                given = seals.package(ADA, "blink", version="1.0", validity=VALID)
                with Link(url) as link:
                    made = sealed_by(given, link.submit(given.der(), ADA.signer))
                    path = f"v1/packages/{made.digest().hex()}.triseal"
                    assert package.parse(link.read(path)) == made
                    assert code_of(lambda: link.read("v1/events?since=99")) == "no-such-entry"
                Path("ada.pem").write_bytes(request.make(KeySigner(ADA_KEY), "Ada"))
                run("site", "init", "plant", "--algorithm", "p256", "--no-passphrase")
                run("site", "trust-store", url)
                known = fingerprint(ADA.signer.spki)
                run("site", "trust-developer", "ada.pem", "--fingerprint", known)
                add = ("site", "add-service", "--store", url)
                assert run(*add, "blink")["version"] == "1.0"
                # The server may be gone: what is read are files.
                process.kill()
                process.wait(20)
                world.store.submit(seals.package(ADA, "blink", version="1.1", validity=VALID))
                assert run(*add, "blink")["version"] == "1.1"
        finally:
            process.kill()
            process.wait(20)
