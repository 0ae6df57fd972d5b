"""An error about the contents of a file names the file, whatever the command is."""

from __future__ import annotations

from pathlib import Path

import pytest

from triseal.cli.main import main

JUNK = {
    "an empty file": b"",
    "text": b"hello\n",
    "half a block": b"-----BEGIN CERTIFICATE-----\nAAAA\n",
    "a block with nothing in it": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "DER that is cut off": b"\x30\x82\x01\x00\x30",
    "UTF-16": "text".encode("utf-16"),
}
COMMANDS = (
    "site trust-developer FILE",
    "site trust-store FILE",
    "site trust review FILE",
    "site root add FILE",
    "site root sign FILE --key root.key",
    "site root collect FILE",
    "store submit FILE",
    "store audit . --store-cert FILE",
    "evidence check good.evidence --store-cert FILE",
    "inspect FILE",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_names_the_file(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    Path("good.evidence").write_bytes(b"\x30\x00")
    for kind, data in JUNK.items():
        Path("given.pem").write_bytes(data)
        status = main(command.replace("FILE", "given.pem").split())
        shown, said = capsys.readouterr()
        assert (status, shown) == (1, ""), (kind, said)
        assert "given.pem" in said, (kind, said)
        assert said.count("\n") == 1, (kind, said)
