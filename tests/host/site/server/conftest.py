"""What all tests of the server share."""

from collections.abc import Iterator

import pytest

from tests.worlds.link_world import close_nodes


@pytest.fixture(autouse=True)
def _leave() -> Iterator[None]:
    yield
    close_nodes()
