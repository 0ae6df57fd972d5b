"""What goes into a node's settings.json: a node can't ask anybody what was meant."""

from __future__ import annotations

import pytest
import typer

from boards.errors import BadAddress
from tests.host.commands import Commands
from triseal.cli import node_settings
from triseal.site.errors import BadSettings
from triseal.site.rules import settings

PASSWORDS = ("", "x" * 8, "x" * 63, "a b~!\"'\\$", "0aF9" * 16, "pässwör")
NO_PASSWORDS = ("x" * 7, "x" * 64, "x" * 65, "0aF9" * 15 + "0ag9", "secret7\n", "ä" * 32, None, 8)
SSIDS = ("x", "x" * 32, "ä" * 16, " ", 'a"b', "日本語")
NO_SSIDS = ("", "x" * 33, "x" * 40, "ä" * 17, "a\0b", "\ud800", None, 5)
KEYS = ("unit", "a.b_c-D9", "x" * 121)
NO_KEYS = ("", "a b", "ключ", "a/b", "a:b", "x" * 122, "a\n", "\ud800")


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"grace": 0, "config": {}, "server": ("host", 1), "spread": 1, "watchdog": 0},
        {"grace": settings.MAX_GRACE, "spread": settings.MAX_SPREAD, "server": ["::1", 7443]},
        *({"wifi": ["home", password]} for password in PASSWORDS),
        *({"wifi": (ssid, "")} for ssid in SSIDS),
        *({"config": {key: "any value = of \n any kind"}} for key in KEYS),
    ],
)
def test_what_a_node_can_use_is_taken(good: dict[str, object]) -> None:
    settings.check(good)


NO_WIFIS: tuple[object, ...] = ("home", ["home"], ["a", "b", "c"], None, {"a": "b"})
NO_CONFIGS: tuple[object, ...] = (None, [], "a=b", {"a": 1}, {1: "a"}, {"a": "\ud800"})
NO_NUMBERS: tuple[object, ...] = (-1, 1 << 31, "5", 5.0, True, None)


def wrong() -> list[dict[str, object]]:
    found: list[dict[str, object]] = [{"grcae": 5}, {"node": "kitchen"}, {"spread": 0}]
    found += [{"wifi": ["home", password]} for password in NO_PASSWORDS]
    found += [{"wifi": [ssid, "password"]} for ssid in NO_SSIDS]
    found += [{"wifi": wifi} for wifi in NO_WIFIS]
    found += [{"config": {key: "value"}} for key in NO_KEYS]
    found += [{"config": config} for config in NO_CONFIGS]
    found += [{name: n} for name in ("grace", "spread", "watchdog") for n in NO_NUMBERS]
    return [*found, {"watchdog": settings.MAX_WATCHDOG + 1}]


@pytest.mark.parametrize("bad", wrong(), ids=repr)
def test_what_a_node_cannot_use_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(BadSettings) as caught:
        settings.check(bad)
    assert "\n" not in str(caught.value)


def test_a_server_is_checked_as_everywhere() -> None:
    with pytest.raises(BadAddress):
        settings.check({"server": ["2001:db8::1:1", 0]})


@pytest.mark.parametrize("password", [word for word in NO_PASSWORDS if isinstance(word, str)])
def test_a_refusal_does_not_show_the_password(password: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings.check_password(password)
    assert password not in str(caught.value)


def test_options_of_configuration() -> None:
    assert settings.read_config(["a=b", "c=", "d==e f="]) == {"a": "b", "c": "", "d": "=e f="}
    for pairs in (["a"], [""], ["=b"], ["a b=c"], ["a=1", "a=1"], ["a=1", "b=2", "a=3"]):
        with pytest.raises(BadSettings):
            settings.read_config(pairs)


@pytest.mark.parametrize(
    ("config", "wifi"), [(["a=1", "a=2"], None), (["a b=1"], None), ([], "x" * 33), ([], "")]
)
def test_a_wrong_option_is_wrong_usage(config: list[str], wifi: str | None) -> None:
    with pytest.raises(typer.BadParameter):
        node_settings.of(0, config, None, wifi, 0, 30)


def ask(*_: object, **__: object) -> str:
    raise AssertionError("asked for a password that nobody needs yet")


def test_nobody_is_asked_for_a_password_before_the_rest_is_right(
    settled: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typer, "prompt", ask)
    more = ("--node", "kitchen", "--wifi", "home")
    image = ("node", "image", "--board", "esp32", "--out", "x.bin", *more)
    assert settled.fails(*image, "--firmware", "missing.bin") == "no-firmware"
    assert settled.fails("node", "provision", "--port", "missing", *more) == "unknown-node"
    settled.run("site", "add-node", "kitchen")
    assert settled.fails("node", "provision", "--port", "missing", *more) == "no-port"


def test_a_wrong_password_reaches_no_board(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = iter(["too few", "long enough"])
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(asked))
    chosen = node_settings.of(0, [], None, "home", 0, 30)
    with pytest.raises(BadSettings):
        node_settings.with_password(chosen)
    assert node_settings.with_password(chosen)["wifi"] == ["home", "long enough"]
    monkeypatch.setenv(node_settings.PASSWORD, "")
    assert node_settings.with_password(chosen)["wifi"] == ["home", ""]


def test_a_wrong_name_of_a_wifi_is_wrong_usage(settled: Commands) -> None:
    words = ("node", "provision", "--port", "x", "--node", "x", "--wifi", "x" * 40)
    assert "32 bytes" in settled.misused(*words)
