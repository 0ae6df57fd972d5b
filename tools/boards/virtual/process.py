"""One run of MicroPython inside a virtual board, from its start to its end."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from boards.virtual import sigint


class Process:
    """A running interpreter whose console is a pair of pipes.

    It is no terminal, because a terminal would drop unread input at every change of mode, and turn
    Ctrl-C into a signal even while a program reads binary data.
    """

    def __init__(
        self,
        command: Sequence[str],
        stdin: int,
        directory: Path,
        environment: dict[str, str],
        keep_open: Sequence[int],
    ) -> None:
        """Start it.

        Args:
            command: program and arguments.
            stdin: the reading end of the pipe that holds the board's input.
            directory: its working directory.
            environment: all of its variables.
            keep_open: descriptors that it inherits.

        Raises:
            OSError: the system can't run the program.
        """
        self.output, write_end = os.pipe()
        try:
            self._child = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=write_end,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                pass_fds=keep_open,
                start_new_session=True,
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(write_end)
        self._frozen = self._killed = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def wants_interrupt(self) -> bool:
        """Return whether it runs a program that Ctrl-C interrupts."""
        ending = self._killed or self._child.returncode is not None
        return not ending and sigint.is_caught(self.pid)

    def interrupt(self) -> bool:
        """Interrupt the running program, if it may be interrupted.

        Returns:
            False if Ctrl-C is a plain byte for it just now.
        """
        # The program could end between the check and the signal, which would then end the process:
        # so the process is stopped for both.
        if not self.wants_interrupt() or not self._stop():
            return False
        wanted = self.wants_interrupt()
        if wanted:
            self._send(signal.SIGINT)
        if not self._frozen:
            self._send(signal.SIGCONT)
        return wanted

    def _stop(self) -> bool:
        if self._frozen:
            return True
        self._send(signal.SIGSTOP)
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        self._child.returncode = os.waitstatus_to_exitcode(status)
        return False

    def freeze(self) -> None:
        """Stop it; nothing is lost."""
        if self._stop():
            self._frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self._frozen = False
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, like a loss of power."""
        self._killed = True
        self._send(signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end and free its resources.

        Returns:
            Its exit status, or minus the number of the signal that ended it.
        """
        status = self._child.wait()
        os.close(self.output)
        return status

    def _send(self, number: int) -> None:
        if self._child.returncode is None:
            os.kill(self.pid, number)
