"""What tests need beyond `make`'s environment: without it they are skipped, with one reason.

python -m tests.needs    names what is missing, with the package that has it; 1 if something is
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

from tests.worlds import postgres, softhsm

SBIN = "/usr/sbin"


def openssl() -> str:
    """Return why there is no openssl, or ""."""
    return "" if shutil.which("openssl") else "no openssl on PATH: apt install openssl"


def promtool() -> str:
    """Return why there is no promtool, or ""."""
    return "" if shutil.which("promtool") else "no promtool: apt install prometheus"


def chromium() -> str:
    """Return why there is no chromium, or ""."""
    return "" if shutil.which("chromium") else "no chromium: apt install chromium"


def nginx() -> str:
    """Return why there is no nginx, or ""."""
    return "" if nginx_program() else "no nginx: apt install nginx-light"


def nginx_program() -> str:
    """Return the path of nginx, which a user's PATH may lack, or ""."""
    return shutil.which("nginx") or shutil.which("nginx", path=SBIN) or ""


# Each returns why something is missing, with the Debian package that brings it, or "".
NEEDS: tuple[Callable[[], str], ...] = (
    chromium,
    nginx,
    openssl,
    postgres.missing,
    promtool,
    softhsm.missing,
)


def main() -> int:
    """Name what is missing. Returns the exit status."""
    missing = [why for need in NEEDS if (why := need())]
    for why in missing:
        print(f"make test-full: {why}", file=sys.stderr)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
