"""Keys that many tests share: making one costs more than what is tested with it."""

import pytest

from triseal import signer
from triseal.signer import PrivateKey


@pytest.fixture(scope="session")
def rsa_key() -> PrivateKey:
    return signer.generate("rsa2048")


@pytest.fixture(scope="session")
def p256_key() -> PrivateKey:
    return signer.generate("p256")


@pytest.fixture(scope="session", params=["rsa2048", "p256"])
def any_key(request: pytest.FixtureRequest) -> PrivateKey:
    """Each kind of key in turn."""
    name = "rsa_key" if request.param == "rsa2048" else "p256_key"
    key: PrivateKey = request.getfixturevalue(name)
    return key
