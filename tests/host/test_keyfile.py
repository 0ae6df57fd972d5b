"""Private keys on disk: for their owner alone, never overwritten, refused in one line."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.host.sealcore import openssl
from triseal import keyfile, pem
from triseal.errors import (
    AlreadyExists,
    FileTooLarge,
    NotAFile,
    NotAKey,
    OpenPermissions,
    WrongPassphrase,
)
from triseal.signer import KeySigner, PrivateKey

SECRET = b"correct horse"


def ask() -> bytes:
    return SECRET


def never() -> bytes:
    raise AssertionError("asked for a passphrase that nobody needs")


def pkcs8(key: PrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.encode("PRIVATE KEY", der)


def private(path: Path, data: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("passphrase", [None, SECRET])
def test_what_is_written_is_read_back(
    tmp_path: Path, any_key: PrivateKey, passphrase: bytes | None
) -> None:
    path = tmp_path / "a.key"
    keyfile.create(path, any_key, passphrase)
    found = keyfile.load(path, ask if passphrase else never)
    assert KeySigner(found).spki == KeySigner(any_key).spki
    assert (b"ENCRYPTED" in path.read_bytes()) == bool(passphrase)


def test_openssl_opens_it(tmp_path: Path, any_key: PrivateKey) -> None:
    path = tmp_path / "a.key"
    keyfile.create(path, any_key, SECRET)
    openssl.accepts("pkey", "-in", path, "-passin", f"pass:{SECRET.decode()}", "-check")


def test_nobody_else_can_read_it_at_any_moment(
    tmp_path: Path, p256_key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    sync = os.fsync

    def look(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        keyfile.create(tmp_path / "a.key", p256_key, None)
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_it_never_overwrites(tmp_path: Path, p256_key: PrivateKey) -> None:
    for name, content in (("key", pkcs8(p256_key)), ("other", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AlreadyExists):
            keyfile.create(tmp_path / name, p256_key, None)
        assert (tmp_path / name).read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_reach_is_refused(
    tmp_path: Path, p256_key: PrivateKey, mode: int
) -> None:
    keyfile.create(tmp_path / "a.key", p256_key, None)
    (tmp_path / "a.key").chmod(mode)
    with pytest.raises(OpenPermissions):
        keyfile.load(tmp_path / "a.key", never)


def test_a_wrong_passphrase_is_refused_and_not_repeated(
    tmp_path: Path, p256_key: PrivateKey
) -> None:
    keyfile.create(tmp_path / "a.key", p256_key, SECRET)
    with pytest.raises(WrongPassphrase) as caught:
        keyfile.load(tmp_path / "a.key", lambda: b"hunter2")
    assert "hunter2" not in str(caught.value)


def test_what_is_no_usable_key_is_refused(tmp_path: Path, p256_key: PrivateKey) -> None:
    whole = pkcs8(p256_key)
    table: tuple[tuple[str, bytes], ...] = (
        ("nothing", b""),
        ("text", b"no key"),
        ("cut off", whole[:100]),
        ("of another kind", pkcs8(ed25519.Ed25519PrivateKey.generate())),
        ("on another curve", pkcs8(ec.generate_private_key(ec.SECP384R1()))),
        ("too short", pkcs8(rsa.generate_private_key(65537, 1024))),
        ("a public key", pem.encode("PUBLIC KEY", KeySigner(p256_key).spki)),
    )
    for sentence, data in table:
        with pytest.raises(NotAKey):
            keyfile.load(private(tmp_path / sentence, data), never)


def test_a_damaged_encrypted_key_is_refused(tmp_path: Path, p256_key: PrivateKey) -> None:
    keyfile.create(tmp_path / "a.key", p256_key, SECRET)
    data = (tmp_path / "a.key").read_bytes()
    other = b"A" if data[150:151] != b"A" else b"B"
    with pytest.raises(WrongPassphrase):
        keyfile.load(private(tmp_path / "b.key", data[:150] + other + data[151:]), ask)
    with pytest.raises(NotAKey):
        keyfile.load(private(tmp_path / "c.key", data[:150] + data[151:]), never)


def test_folders_and_huge_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAFile):
        keyfile.load(tmp_path, never)
    with pytest.raises(FileTooLarge):
        keyfile.load(private(tmp_path / "huge", b" " * (pem.MAX_SIZE + 1)), never)
    with pytest.raises(FileNotFoundError):
        keyfile.load(tmp_path / "none", never)
