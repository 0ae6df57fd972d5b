"""A PostgreSQL of the tests' own: found among the system's packages, gone with the test."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAMS = Path("/usr/lib/postgresql")
_USER = "postgres"  # PostgreSQL refuses to run as root


def missing() -> str:
    """Why there is no PostgreSQL here; "" if there is one."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no psycopg: pip install 'triseal[postgres]'"
    if _programs() is None:
        return "no PostgreSQL server: apt install postgresql"
    if os.geteuid() == 0 and not _has_user():
        return (
            f"PostgreSQL does not run as root, and there is no user {_USER}: apt install postgresql"
        )
    return ""


@contextmanager
def running() -> Iterator[str]:
    """A fresh cluster on a Unix socket, nowhere else; the URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="triseal-pg-"))
    data = folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, _USER, _USER)
    try:
        _run("initdb", "-D", str(data), "-A", "trust", "-U", _USER, "--no-sync", "-E", "UTF8")
        # No test cuts its power: it need not wait for the disk.
        options = f"-c fsync=off -c listen_addresses='' -c unix_socket_directories='{folder}'"
        _run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://{_USER}@/postgres?host={folder}"
        finally:
            _run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(server: str) -> str:
    """The URL of one more empty database of a running cluster."""
    import psycopg

    name = f"d{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


def _run(program: str, *arguments: str) -> None:
    programs = _programs()
    if programs is None:
        raise FileNotFoundError(program)
    command = [str(programs / program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", _USER, "--", *command]
    # Its output goes nowhere: the server that pg_ctl leaves behind would keep a pipe open.
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )


def _programs() -> Path | None:
    found = sorted(_PROGRAMS.glob("*/bin/pg_ctl"))
    return found[-1].parent if found else None


def _has_user() -> bool:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return False
    return shutil.which("runuser") is not None
