"""What else lies on a board is no part of the agent, and no service finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.conftest import TICKER, Start
from tests.device.node import NAME, by_name
from tests.device.site import Site

# Says that whatever is hashed is what was sealed, if anybody asks it.
LIAR = """
open("/asked", "w").close()
class sha256:
    def __init__(self, *_):
        raise SystemExit
    update = digest = __init__
"""


@pytest.mark.parametrize("folder", ["", "lib/"])
def test_no_file_stands_in_for_a_built_in_module(
    folder: str, start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    for name in ("hashlib", "json", "os", "time", "binascii", "asyncio", "select"):
        (directory / "flash" / f"{folder}{name}.py").write_text(LIAR)
    whole = site.deploy("whole", TICKER, NAME, spki, grants=("bus.publish:home/kitchen/#",))
    changed = site.deploy("changed", TICKER, NAME, spki).with_file("app.py", TICKER + b" ")
    node = start(whole, changed)
    node.tell_time()
    status = node.until(lambda now: by_name(now)["whole"] == "running")
    assert by_name(status)["changed"] == "refused"
    assert not (directory / "flash/asked").exists()


@pytest.mark.parametrize("place", ["helper.py", "lib/helper.py", "lib/helper/__init__.py"])
@pytest.mark.parametrize("when", ["at its import", "while it runs"])
def test_a_service_imports_nothing_that_was_not_sealed(
    place: str, when: str, start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    path = directory / "flash" / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("open('/imported', 'w').close()\n")
    main = "async def main(ctx):\n    pass\n"
    source = f"import helper\n{main}" if when == "at its import" else f"{main}    import helper\n"
    node = start(site.deploy("one", source.encode(), NAME, spki))
    node.tell_time()
    status = node.until(lambda now: by_name(now)["one"] == "failed")
    assert status.services[0].code == "ImportError"
    assert not (directory / "flash/imported").exists()
