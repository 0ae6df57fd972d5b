"""Keys that many tests share: making one costs more than what is tested with it."""

from pathlib import Path

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


@pytest.fixture
def patient_esptool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine nothing answers within the tenth of a second that esptool gives a chip."""
    settings = tmp_path / "esptool.cfg"
    settings.write_text("[esptool]\nsync_timeout = 5\nmem_end_rom_timeout = 5\n")
    monkeypatch.setenv("ESPTOOL_CFGFILE", str(settings))
