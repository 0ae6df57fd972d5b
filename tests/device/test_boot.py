"""From power-on to expiry: nothing runs before it was checked, nothing longer than its seal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from boards.port import Port
from sealcore import errors
from tests.device.conftest import Start
from tests.device.node import NAME, by_name
from tests.device.site import Deployment, Site
from triseal.site.cable import agent

STOPPED = {"ticker": "waiting-for-time", "echo": "waiting-for-time"}
RUNNING = {"ticker": "running", "echo": "running"}


def test_without_trusted_time_nothing_runs(
    start: Start, ticker: Deployment, echo: Deployment
) -> None:
    status = start(ticker, echo).ask()
    assert by_name(status) == STOPPED
    assert (status.node, status.time, status.bundle_version) == (NAME, 0, 1)
    assert {one.code for one in status.services} == {"no-trusted-time"}


def test_with_the_time_all_that_passes_runs(
    start: Start, ticker: Deployment, echo: Deployment, site: Site
) -> None:
    node = start(ticker, echo)
    status = node.tell_time()
    assert by_name(status) == RUNNING
    assert site.now <= status.time <= site.now + 30
    assert [one.not_after for one in status.services] == [site.now + 4900] * 2
    assert all(len(serial) == 16 for serial in status.serials.values())
    node.until_line("echo: home/kitchen/n=3")


def test_a_reset_forgets_the_time_and_checks_again(
    start: Start, ticker: Deployment, echo: Deployment
) -> None:
    node = start(ticker, echo)
    node.tell_time()
    path = node.root / "triseal/services/ticker/app.py"
    path.write_bytes(path.read_bytes() + b"#")
    node.virtual.reset()
    assert by_name(node.ask()) == STOPPED
    status = node.tell_time()
    assert by_name(status) == {"ticker": "refused", "echo": "running"}
    assert node.state("ticker").code == "hash-mismatch"


def test_a_service_ends_with_its_seal_and_no_other_does(
    start: Start, site: Site, spki: bytes, echo: Deployment
) -> None:
    app = b"import asyncio\nasync def main(ctx):\n    while True: await asyncio.sleep(1)\n"
    short = site.deploy("short", app, NAME, spki, life=(-100, 3))
    node = start(short, echo)
    assert by_name(node.tell_time()) == {"short": "running", "echo": "running"}
    status = node.until(lambda now: by_name(now)["short"] != "running")
    assert by_name(status) == {"short": "expired", "echo": "running"}
    assert site.now + 3 < status.time <= site.now + 10


def test_a_seal_that_has_expired_is_not_started(start: Start, site: Site, spki: bytes) -> None:
    app = b"print('ran')\nasync def main(ctx): pass\n"
    node = start(site.deploy("late", app, NAME, spki, life=(-4900, -1)))
    node.tell_time()
    late = node.state("late")
    assert (late.state, late.code) == ("expired", "expired")


WRONG_TIMES = (
    ("of another site", lambda site, nonce: Site("farm").time(nonce, site.now), "bad-signature"),
    ("for another nonce", lambda site, _: site.time(bytes(16)), "bad-message"),
    ("before what the site has signed", lambda site, n: site.time(n, site.now - 7200), "rollback"),
    ("that is no signed time", lambda site, nonce: nonce, "malformed-der"),
)


@pytest.mark.parametrize(("sentence", "made", "code"), WRONG_TIMES)
def test_a_wrong_time_starts_nothing(
    sentence: str,
    made: Callable[[Site, bytes], bytes],
    code: str,
    start: Start,
    site: Site,
    ticker: Deployment,
) -> None:
    node = start(ticker)
    with pytest.raises(errors.SealError) as caught:
        agent.set_time(node.port, made(site, node.ask().nonce))
    assert caught.value.code == code, sentence
    assert by_name(node.ask()) == {"ticker": "waiting-for-time"}


def test_a_nonce_serves_once(start: Start, site: Site, ticker: Deployment) -> None:
    node = start(ticker)
    signed = site.time(node.ask().nonce)
    agent.set_time(node.port, signed)
    with pytest.raises(errors.SealError) as caught:
        agent.set_time(node.port, signed)
    assert caught.value.code == "bad-message"
    assert by_name(node.ask()) == {"ticker": "running"}


def test_a_time_that_was_told_is_never_undone(start: Start, site: Site, ticker: Deployment) -> None:
    """Not by a power cut either: what a thief wants is an hour in which an old seal was valid."""
    node = start(ticker)
    node.tell_time(site.now + 7200)
    node.virtual.reset()
    with pytest.raises(errors.SealError) as caught:
        node.tell_time(site.now + 3000)
    assert caught.value.code == "rollback"


class Uart(Port):
    """Refuses more than an ESP32 keeps for a program that has not read yet: the rest is lost."""

    _waiting = 0

    def send(self, data: bytes) -> None:
        self._waiting += len(data)
        assert self._waiting <= 255
        super().send(data)

    def read_line(self, timeout: float = 10.0) -> bytes:
        line = super().read_line(timeout)
        if line.startswith(b"~"):  # it has taken all that was sent before
            self._waiting = 0
        return line


def test_a_board_without_flow_control_loses_nothing(
    start: Start, site: Site, ticker: Deployment
) -> None:
    port = start(ticker).port
    port.close()
    with Uart(port.port) as line:
        signed = site.time(agent.ask(line).nonce)
        assert len(signed) > 255
        assert by_name(agent.set_time(line, signed)) == {"ticker": "running"}


def settings(directory: Path, text: bytes) -> None:
    (directory / "flash/triseal/settings.json").write_bytes(text)


def test_with_grace_a_node_runs_for_a_while_on_what_it_knows(
    start: Start, directory: Path, site: Site, spki: bytes
) -> None:
    app = b"import asyncio\nasync def main(ctx):\n    while True: await asyncio.sleep(1)\n"
    settings(directory, b'{"grace": 4}')
    good = site.deploy("good", app, NAME, spki)
    # Its seal ended before the other one began: that one says that it is later now.
    old = site.deploy("old", app, NAME, spki, life=(-5000, -200))
    # One that nobody has signed says nothing.
    bad = site.deploy("bad", app, NAME, spki, life=(90000, 95000))
    *signed, last = bad.files["site.der"]
    node = start(good, old, bad.with_file("site.der", bytes((*signed, last ^ 1))))
    status = node.ask()
    assert by_name(status) == {"bad": "refused", "good": "running", "old": "expired"}
    status = node.until(lambda now: by_name(now)["good"] != "running")
    assert by_name(status)["good"] == "waiting-for-time"
    assert by_name(node.tell_time())["good"] == "running"


def test_ctrl_c_brings_the_prompt(start: Start, ticker: Deployment) -> None:
    node = start(ticker)
    node.ask()
    node.port.send(b"\x03")
    node.until_line("triseal: interrupted")


def test_damaged_settings_leave_the_node_answering(
    start: Start, directory: Path, ticker: Deployment
) -> None:
    settings(directory, b"{")
    node = start(ticker)
    assert by_name(node.ask()) == {"ticker": "refused"}
    assert node.state("ticker").detail == "settings.json"
