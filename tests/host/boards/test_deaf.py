"""A port behind which something reads nothing: no command waits for it."""

from __future__ import annotations

import os
import socket
import threading
import tty
from collections.abc import Callable
from contextlib import closing

import pytest

from boards.board import Board
from boards.errors import NotReading
from boards.port import Port
from triseal.site.cable import agent

PATIENCE = 0.2


def ask(board: Board) -> None:
    agent.ask(board, PATIENCE)


@pytest.mark.parametrize("work", [Board.facts, Board.soft_reset, Board.reset, Board.clear, ask])
def test_nothing_waits_for_a_board_that_reads_nothing(work: Callable[[Board], object]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with Board(url, patience=PATIENCE) as board:
            with pytest.raises(NotReading):
                board.send(bytes(1 << 28))
            with pytest.raises(NotReading):
                work(board)


def test_a_terminal_that_reads_nothing_can_be_closed() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    with Port(os.ttyname(slave), patience=PATIENCE) as port, pytest.raises(NotReading):
        port.send(bytes(1 << 20))
    os.close(slave)
    os.close(master)


def test_a_computer_that_has_no_time_does_not_blame_the_board() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    with Port(os.ttyname(slave), patience=1e-9) as port:  # over before anything is written
        port.send(b"hello")
    assert os.read(master, 100) == b"hello"
    os.close(slave)
    os.close(master)


def test_a_board_that_reads_late_gets_everything() -> None:
    read, write = os.openpty()
    tty.setraw(write)
    taken = bytearray()

    def take() -> None:
        while len(taken) < 100_000:
            taken.extend(os.read(read, 4096))

    with Port(os.ttyname(write), patience=30.0) as port:
        thread = threading.Thread(target=take)
        thread.start()
        port.send(bytes(range(250)) * 400)
        thread.join()
    os.close(read)
    os.close(write)
    assert bytes(taken) == bytes(range(250)) * 400
