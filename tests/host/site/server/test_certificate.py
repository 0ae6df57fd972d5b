"""The server's own TLS key: it is in memory only, and nothing of it is left open."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import pytest

from triseal import certificate, signer
from triseal.certificate import Validity
from triseal.signer import KeySigner, PrivateKey
from triseal.site.server.listeners.certificate import load_own


def made(key: PrivateKey) -> bytes:
    return certificate.self_signed_ca(KeySigner(key), "house", Validity(0, 1000))


def opened() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.parametrize("algorithm", ["p256", "rsa2048"])
def test_no_file_is_written(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary folder that can't be written is as good as one that is full."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not-there"))
    monkeypatch.chdir(tmp_path)
    key = signer.generate(algorithm)
    load_own(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), made(key), key)
    assert not list(tmp_path.iterdir())


def test_nothing_stays_open() -> None:
    key = signer.generate("p256")
    before = opened()
    for _ in range(3):
        load_own(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), made(key), key)
    assert opened() == before


def test_another_keys_certificate_is_refused_and_nothing_stays_open() -> None:
    key, other = signer.generate("p256"), signer.generate("p256")
    before = opened()
    with pytest.raises(OSError):  # noqa: PT011  # of which kind depends on the release of OpenSSL
        load_own(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), made(other), key)
    assert opened() == before
