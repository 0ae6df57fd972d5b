"""A PKCS #11 token in software (SoftHSM 2), in a folder of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from triseal import tokensigner

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
PIN = "5678"
_SO_PIN = "12345678"


def missing() -> str:
    """Return why there can be no token here, or ""."""
    if not shutil.which("softhsm2-util") or not _module():
        return "no SoftHSM: apt install softhsm2"
    return ""


def _module() -> str:
    return next((path for path in MODULES if Path(path).exists()), "")


class Token:
    """A token with the label `house`. The module reads SOFTHSM2_CONF when it starts, once for a
    process: a process has one such folder.

    Args:
        folder: where its files go.
    """

    def __init__(self, folder: Path) -> None:
        self.module = _module()
        self._tokens = folder / "tokens"
        self._away = folder / "away"
        self._tokens.mkdir(parents=True)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self._tokens}\n"
            "objectstore.backend = file\nlog.level = ERROR\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment variable by which a process finds the token."""
        return {"SOFTHSM2_CONF": str(self.configuration)}

    def initialise(self, label: str = "house") -> None:
        """Put an empty token in."""
        pins = ["--so-pin", _SO_PIN, "--pin", PIN]
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, *pins],
            check=True,
            capture_output=True,
            env=self.environment,
        )

    def uri(self, name: str, *, token: str = "house", rest: str = "") -> str:
        """Return the URI of a key on it."""
        return f"pkcs11:token={token};object={name}{rest}?module-path={self.module}"

    def log_out(self) -> None:
        """End all sessions of this process, as a new process has none."""
        loaded = tokensigner._modules.get(self.module)
        if loaded is not None:
            loaded.restart(loaded.generation)

    def pull_out(self) -> None:
        """Take the token away."""
        self._tokens.rename(self._away)

    def put_back(self) -> None:
        """Bring the token back."""
        self._away.rename(self._tokens)


@contextlib.contextmanager
def plugged_in(folder: Path) -> Iterator[Token]:
    """A token that this process finds, until the end of the context.

    Args:
        folder: where its files go.
    """
    token = Token(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(token.configuration))
        token.initialise()
        # The module reads its settings when it starts, and it may have been started before.
        token.log_out()
        yield token
