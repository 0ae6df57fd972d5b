"""What tests of the Store share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worlds import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Of the database; None for the file in the Store's home."""
    if request.param == "sqlite":
        yield None
        return
    yield postgres.database(request.getfixturevalue("cluster"))
