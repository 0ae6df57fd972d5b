"""Signals at many moments of the work with a board: the node runs again what it ran before."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import interrupts
from boards.flashing import chips
from boards.provision import Report
from boards.virtual.board import VirtualBoard
from tests.full import Sweep
from tests.host.boards.plug import Plug
from tests.host.commands import Commands
from triseal.cli import node_flash
from triseal.cli.main import main

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST = 60.0  # seconds: a loaded computer; without any load it is about one


class Signaller(Plug):
    """A port that sends this process a signal once so many bytes have passed to the board."""

    def __init__(self, port: Path, board: str, after: int, number: signal.Signals) -> None:
        super().__init__(port, board)
        self._after = after
        self._number = number
        self.sent_at = 0.0

    def _count(self, size: int) -> None:
        super()._count(size)
        if self.passed >= self._after and not self.sent_at:
            self.sent_at = time.monotonic()
            os.kill(os.getpid(), self._number)


def measured(commands: Commands, board: VirtualBoard, *words: str) -> int:
    with Plug(Path("port"), board.port) as plug:
        commands.run(*words, "--port", plug.port)
        return plug.passed


def interrupted(board: VirtualBoard, after: int, number: signal.Signals, *words: str) -> None:
    """Run a command that gets a signal, and check its exit status and how long it still took."""
    with Signaller(Path("port"), board.port, after, number) as port:
        status = main((*words, "--port", port.port))
        took = time.monotonic() - port.sent_at
    assert (status, port.sent_at > 0) == (128 + number, True), (words, after)
    assert took < LONGEST


def test_a_node_runs_what_it_ran_whenever_a_command_is_interrupted(
    settled: Commands,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sweep: Sweep[float],
) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "grant", "thermo", "log")
    settled.run("site", "add-node", "kitchen")
    with VirtualBoard(tmp_path / "board") as board:
        settled.run("node", "provision", "--node", "kitchen", "--port", board.port)
        settled.run("node", "deploy", "kitchen", "thermo", "--port", board.port)
        commands = {
            ("node", "deploy", "kitchen", "thermo"): (0.0, 0.05, 0.2, 0.5, 0.9, 0.97),
            ("node", "renew", "kitchen"): (0.3, 0.8),
            ("node", "restart"): (0.6,),
            ("node", "provision", "--node", "kitchen"): (0.02, 0.9),
        }
        turn = 0
        for words, shares in commands.items():
            whole = measured(settled, board, *words)
            for share in sweep(shares, 2):
                number = SIGNALS[turn % len(SIGNALS)]
                turn += 1
                interrupted(board, 1 + int(share * whole), number, *words)
                assert capsys.readouterr() == ("", ""), (words, share)
                status = settled.json("node", "status", "--port", board.port)
                states = [(one["service"], one["state"]) for one in status["services"]]
                assert (states, status["time"] is not None) == ([("thermo", "running")], True), (
                    words,
                    share,
                    number,
                )


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    assert before == {number: signal.getsignal(number) for number in SIGNALS}


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_as_an_error_does(number: signal.Signals) -> None:
    ended: list[bool] = []

    def work() -> None:
        with interrupts.raised():
            try:
                os.kill(os.getpid(), number)
            finally:
                ended.append(True)

    with pytest.raises(SystemExit) as caught:
        work()
    assert (caught.value.code, ended) == (128 + number, [True])


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.raised(), interrupts.held():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("handlers")
def test_work_that_is_held_is_finished_before_a_signal_counts() -> None:
    done: list[int] = []

    def work(error: Exception | None = None) -> None:
        with interrupts.held():
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
                done.append(number)
            if error is not None:
                raise error

    with interrupts.raised(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == [signal.SIGINT, signal.SIGTERM]
    with interrupts.raised(), pytest.raises(ValueError, match="its own"):
        work(ValueError("its own"))


@pytest.mark.usefixtures("handlers")
def test_other_threads_hold_nothing() -> None:
    with interrupts.held():
        inside = signal.getsignal(signal.SIGINT)
        seen = []

        def work() -> None:
            with interrupts.held(), interrupts.raised():
                seen.append(signal.getsignal(signal.SIGINT))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [inside]


class Jobs(list[node_flash._Job]):
    """Jobs that interrupt the command when so many of them were taken, and the first is at work."""

    def __init__(self, jobs: list[node_flash._Job], after: int, begun: threading.Event) -> None:
        super().__init__(jobs)
        self._after = after
        self._begun = begun

    def __iter__(self) -> Iterator[node_flash._Job]:
        """Yield the jobs."""
        for number, job in enumerate(super().__iter__(), start=1):
            yield job
            if number == self._after:
                assert self._begun.wait(LONGEST)
                os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("after", [1, 2])
def test_boards_that_are_flashed_side_by_side_all_end(
    monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Only the main thread gets the signal; each board is at work in a thread of its own.

    The signal also comes when only one of the two boards is at work.
    """
    begun = threading.Event()
    ended: list[str] = []

    def work(job: node_flash._Job, _: object, report: Report) -> None:
        last = time.monotonic() + LONGEST
        begun.set()
        try:
            while time.monotonic() < last:
                report("write", 0, 0)
        except KeyboardInterrupt:
            ended.append(job.port)
            raise

    monkeypatch.setattr(node_flash, "_one", work)
    esp = chips.named("esp32")
    jobs = Jobs([node_flash._Job(esp, at, b"", "", False) for at in ("a", "b")], after, begun)
    reports: dict[str, Report] = {job.port: lambda *_: None for job in list.__iter__(jobs)}
    with pytest.raises(KeyboardInterrupt):
        node_flash._all(jobs, None, reports)
    assert sorted(ended) == ["a", "b"]
