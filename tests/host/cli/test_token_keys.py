"""A developer, a Store and a site whose keys are on a token, by the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.commands import METADATA, SERVICE, Commands
from tests.worlds import softhsm

pytestmark = pytest.mark.skipif(bool(softhsm.missing()), reason=softhsm.missing())


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[softhsm.Token]:
    with softhsm.plugged_in(tmp_path_factory.mktemp("hsm")) as made:
        yield made


@pytest.fixture
def shell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: softhsm.Token,
) -> Commands:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRISEAL_PASSPHRASE", softhsm.PIN)
    monkeypatch.setenv("TRISEAL_ROOT_PASSPHRASE", softhsm.PIN)
    monkeypatch.chdir(tmp_path)
    Path("blink.py").write_text(SERVICE, encoding="utf-8")
    Path("blink.json").write_text(METADATA, encoding="utf-8")
    return Commands(tmp_path, capsys)


RELEASE = ("--name", "blink", "--version", "1.0", "--security-version", "1")
SIGN = ("dev", "sign", "blink.py", "--metadata", "blink.json", *RELEASE)


def test_from_three_keys_on_a_token_to_a_deployment(shell: Commands, token: softhsm.Token) -> None:
    shell.run("dev", "init", "--name", "Ada", "--algorithm", "p256", "--key", token.uri("ada"))
    shell.run("store", "init", "--name", "Shop", "--algorithm", "p256", "--key", token.uri("shop"))
    keys = ("--key", token.uri("slca"), "--root-key", token.uri("root"))
    shell.run("site", "init", "plant", "--algorithm", "p256", *keys)
    shell.run("dev", "request", "--out", "ada.pem")
    print_of = shell.json("store", "register-developer", "ada.pem")["fingerprint"]
    shell.run("store", "approve", print_of)
    shell.run(*SIGN)
    shell.run("store", "submit", "blink-1.0.triseal")
    shell.run("store", "get", "blink", "--out", "sealed.triseal")
    shell.run("site", "trust-store", "home/store/store.crt")
    shell.run("site", "trust-developer", "ada.pem")
    shell.run("site", "add-service", "sealed.triseal")


def test_keys_on_a_token_are_replaced_by_others_there(
    shell: Commands, token: softhsm.Token
) -> None:
    kind = ("--algorithm", "p256", "--key")
    shell.run("dev", "init", "--name", "Ada", *kind, token.uri("old"))
    root = ("--root-key", token.uri("root"))
    shell.run("store", "init", "--name", "Shop", *kind, token.uri("seals"), *root)
    shell.run("dev", "request", "--out", "ada.pem")
    first = shell.json("store", "register-developer", "ada.pem")["fingerprint"]
    shell.run("store", "approve", first)
    shell.run(*SIGN)
    shell.run("store", "submit", "blink-1.0.triseal")
    again = ("dev", "rotate", *kind)
    assert shell.fails(*again, token.uri("old")) == "already-exists"
    rotated = shell.json(*again, token.uri("new"))
    assert rotated["replaces"] == first
    taken = shell.json("store", "register-developer", rotated["replacement"])
    assert (taken["state"], taken["fingerprint"]) == ("approved", rotated["fingerprint"])
    shell.run("dev", "renew", "blink-1.0.triseal", "--years", "11", "--out", "again.triseal")
    shell.run("store", "submit", "again.triseal")
    why = ("--reason", "a test")
    assert (
        shell.fails("store", "key", "rotate", *kind, token.uri("seals"), *why) == "already-exists"
    )
    made = shell.json("store", "key", "rotate", *kind, token.uri("next"), *why)
    assert made["countersigned"] == ["blink 1.0"]
    assert "PRIVATE" not in Path(made["place"], "store.key").read_text(encoding="utf-8")


def test_failures_are_one_line_and_leave_nothing(
    shell: Commands, token: softhsm.Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = ("dev", "init", "--name", "Ada", "--key")
    assert shell.fails(*init, "pkcs11:token=house") == "bad-key-uri"
    assert shell.fails(*init, token.uri("ada") + "&pin-value=5678") == "bad-key-uri"
    assert shell.fails(*init, token.uri("ada", token="none")) == "token-missing"
    shell.run(*init, token.uri("eve"), "--algorithm", "p256")
    token.pull_out()
    try:
        assert shell.fails(*SIGN) == "token-missing"
    finally:
        token.put_back()
    assert not Path("blink-1.0.triseal").exists()
    shell.run(*SIGN)
    monkeypatch.setenv("TRISEAL_PASSPHRASE", "0000")
    token.log_out()
    assert shell.fails(*SIGN, "--again") == "wrong-passphrase"
