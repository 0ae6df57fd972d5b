"""Keys on a PKCS #11 token (SoftHSM): the signatures, the wrong PIN, the token that is away."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealcore import keys
from sealcore.compat import sha256
from tests.worlds import softhsm
from tests.worlds.site_world import NOW
from triseal import certificate, keysource, keyuri, tokensigner
from triseal.certificate import Validity
from triseal.developer import home as developer_home
from triseal.errors import (
    BadKeyURI,
    Failure,
    NoPassphrase,
    NotAKey,
    OpenPermissions,
    TokenMissing,
    WrongPassphrase,
)
from triseal.keysource import NewKey
from triseal.signer import Signer
from triseal.site import home as site_home
from triseal.site.errors import TokenWanted
from triseal.site.home import Founding
from triseal.site.manager import Manager
from triseal.store import authority

pytestmark = pytest.mark.skipif(bool(softhsm.missing()), reason=softhsm.missing())

PIN = softhsm.PIN.encode()
_numbers = itertools.count()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[softhsm.Token]:
    """One token for all tests here."""
    with softhsm.plugged_in(tmp_path_factory.mktemp("hsm")) as made:
        yield made


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a signer look for its token each time."""
    monkeypatch.setattr(tokensigner, "PAUSE", 0.0)


def new_key(token: softhsm.Token, path: Path, algorithm: str = "p256") -> tuple[str, Signer]:
    uri = token.uri(f"key{next(_numbers)}")
    return uri, NewKey(algorithm, PIN, uri).create(path)


def verify(signer: Signer, message: bytes) -> None:
    signature = signer.sign(message)
    keys.verify(keys.parse(signer.spki), signer.algorithm, sha256(message), signature)


@pytest.mark.parametrize("algorithm", ["p256", "rsa2048"])
def test_a_key_is_made_and_opened_again(
    token: softhsm.Token, tmp_path: Path, algorithm: str
) -> None:
    uri, made = new_key(token, tmp_path / "key", algorithm)
    verify(made, b"first")
    assert (tmp_path / "key").read_text() == uri + "\n"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    for again in (
        keysource.load(tmp_path / "key", lambda: PIN),
        keysource.open_uri(uri, lambda: PIN),
        NewKey("rsa3072", PIN, uri).create(tmp_path / "other"),  # it exists: none is generated
    ):
        assert (again.spki, again.algorithm) == (made.spki, made.algorithm)
        verify(again, b"second")


def test_the_private_key_stays_on_the_token(token: softhsm.Token, tmp_path: Path) -> None:
    import pkcs11

    uri, _ = new_key(token, tmp_path / "key", "rsa2048")
    found = keyuri.parse(uri)
    assert isinstance(found, keyuri.TokenKey)
    session = pkcs11.lib(token.module).get_token(token_label="house").open()
    private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=found.object)
    assert private[pkcs11.Attribute.SENSITIVE]
    assert not private[pkcs11.Attribute.EXTRACTABLE]
    with pytest.raises(pkcs11.AttributeSensitive):
        print(private[pkcs11.Attribute.PRIVATE_EXPONENT])


def test_a_pin_from_a_file(token: softhsm.Token, tmp_path: Path) -> None:
    uri, made = new_key(token, tmp_path / "key")
    (tmp_path / "pin").write_bytes(PIN + b"\n")
    found = keysource.open_uri(f"{uri}&pin-source=file:{tmp_path / 'pin'}", _unasked)
    assert found.spki == made.spki


def _unasked() -> bytes:
    raise AssertionError("nobody must be asked")


def test_a_refused_pin_does_not_disturb_tls(
    token: softhsm.Token, tmp_path: Path, pause: None
) -> None:
    """SoftHSM uses the interpreter's OpenSSL, whose list of errors belongs to the thread."""
    uri, made = new_key(token, tmp_path / "key")
    for _ in range(2):
        module = tokensigner._modules[token.module]
        module.restart(module.generation)
        with pytest.raises(WrongPassphrase):
            keysource.open_uri(uri, lambda: b"0000")
        authority = certificate.self_signed_ca(made, "Shop", Validity(0, 2**31))
        ssl.create_default_context(cadata=authority)


def test_a_wrong_pin_is_tried_once(token: softhsm.Token, tmp_path: Path, pause: None) -> None:
    uri, made = new_key(token, tmp_path / "key")
    tries = []

    def wrong() -> bytes:
        tries.append(1)
        return b"0000"

    # A module that was just started has nobody logged in.
    tokensigner._modules[token.module].restart(tokensigner._modules[token.module].generation)
    with pytest.raises(WrongPassphrase) as caught:
        keysource.open_uri(uri, wrong)
    assert tries == [1]
    assert "0000" not in str(caught.value)
    verify(made, b"the right one still works")
    # The PIN changes while the token is away: the signer tries its old one once, and never again.
    made_again = keysource.open_uri(uri, lambda: PIN)
    _change_pin(token, softhsm.PIN, "8765")
    module = tokensigner._modules[token.module]
    module.restart(module.generation)
    logins = []
    real = tokensigner.TokenSigner._log_in

    def counted(self: tokensigner.TokenSigner, *, rw: bool) -> object:
        logins.append(1)
        return real(self, rw=rw)

    tokensigner.TokenSigner._log_in = counted  # type: ignore[method-assign]
    try:
        for _ in range(5):
            with pytest.raises(WrongPassphrase):
                made_again.sign(b"x")
    finally:
        tokensigner.TokenSigner._log_in = real  # type: ignore[method-assign]
        _change_pin(token, "8765", softhsm.PIN)
        module.restart(module.generation)
    assert logins == [1]


def _change_pin(token: softhsm.Token, old: str, new: str) -> None:
    import pkcs11

    code = (
        "import sys, pkcs11; token = pkcs11.lib(sys.argv[1]).get_token(token_label='house');"
        "session = token.open(rw=True, user_pin=sys.argv[2]);"
        "session.set_pin(sys.argv[2], sys.argv[3])"
    )
    assert pkcs11
    subprocess.run(
        [sys.executable, "-c", code, token.module, old, new],
        check=True,
        env=os.environ | token.environment,
    )


@pytest.mark.parametrize("algorithm", ["p256", "rsa2048"])
def test_a_token_that_is_pulled_out_and_put_back(
    token: softhsm.Token,
    tmp_path: Path,
    pause: None,
    caplog: pytest.LogCaptureFixture,
    algorithm: str,
) -> None:
    uri, made = new_key(token, tmp_path / "key", algorithm)
    other = keysource.open_uri(uri, lambda: PIN)
    token.pull_out()
    try:
        for signer in (made, other, made):
            with pytest.raises(TokenMissing):
                signer.sign(b"away")
        with pytest.raises(TokenMissing):
            keysource.open_uri(uri, lambda: PIN)
    finally:
        token.put_back()
    assert [one.getMessage() for one in caplog.records] == ["key away"] * 2  # of two signers
    for signer in (made, other, made):
        verify(signer, b"back")
    # A module that another signer has started again only needs a new session: nothing was away.
    assert [one.getMessage() for one in caplog.records[2:]] == ["key back"] * 2


def test_a_token_that_is_away_is_not_asked_all_the_time(
    token: softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made = new_key(token, tmp_path / "key")
    now = 1000.0
    monkeypatch.setattr("triseal.tokensigner.time.monotonic", lambda: now)
    module = tokensigner._modules[token.module]
    token.pull_out()
    try:
        with pytest.raises(TokenMissing):
            made.sign(b"x")
        before = module.generation
        for _ in range(10):
            with pytest.raises(TokenMissing):
                made.sign(b"x")
        assert module.generation == before
    finally:
        token.put_back()
    with pytest.raises(TokenMissing):  # the pause is not over
        made.sign(b"x")
    now += tokensigner.PAUSE
    verify(made, b"x")


def test_another_key_in_the_place_of_the_known_one(
    token: softhsm.Token, tmp_path: Path, pause: None
) -> None:
    import pkcs11

    uri, made = new_key(token, tmp_path / "key")
    found = keyuri.parse(uri)
    assert isinstance(found, keyuri.TokenKey)
    session = pkcs11.lib(token.module).get_token(token_label="house").open(rw=True)
    for thing in list(session.get_objects({pkcs11.Attribute.LABEL: found.object})):
        thing.destroy()
    session.close()
    NewKey("p256", PIN, uri).create(tmp_path / "other")
    with pytest.raises(TokenMissing, match="another key"):
        made.sign(b"x")


def test_several_threads_sign_with_one_session(token: softhsm.Token, tmp_path: Path) -> None:
    _, made = new_key(token, tmp_path / "key")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: verify(made, b"%d" % number), range(40)))


def test_two_processes_on_one_token(token: softhsm.Token, tmp_path: Path) -> None:
    uri, made = new_key(token, tmp_path / "key")
    code = (
        "import sys; from triseal import keysource;"
        "signer = keysource.open_uri(sys.argv[1], lambda: sys.argv[2].encode());"
        "[signer.sign(b'%d' % number) for number in range(50)]; print(signer.spki.hex())"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, uri, softhsm.PIN],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | token.environment,
    )
    for number in range(50):
        verify(made, b"%d" % number)
    said, _ = other.communicate(timeout=240)
    assert (other.returncode, said) == (0, made.spki.hex() + "\n")


MISSING: dict[str, Callable[[softhsm.Token], str]] = {
    "the module": lambda token: "pkcs11:token=house;object=a?module-path=/nowhere/module.so",
    "a module that is no module": lambda token: (
        "pkcs11:token=house;object=a?module-path=/etc/passwd"
    ),
    "the token": lambda token: token.uri("a", token="elsewhere"),
    "the key": lambda token: token.uri("nobody"),
    "the serial number": lambda token: token.uri("a", rest=";serial=0"),
    "the manufacturer": lambda token: token.uri("a", rest=";manufacturer=nobody"),
    "the model": lambda token: token.uri("a", rest=";model=none"),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_named(token: softhsm.Token, what: str) -> None:
    with pytest.raises(TokenMissing) as caught:
        keysource.open_uri(MISSING[what](token), lambda: PIN)
    assert "\n" not in str(caught.value)


def test_two_keys_of_one_name_need_their_id(token: softhsm.Token, tmp_path: Path) -> None:
    name = f"twin{next(_numbers)}"
    ids = ("%01", "%02")
    made = [
        NewKey("p256", PIN, token.uri(name, rest=f";id={one}")).create(tmp_path / one)
        for one in ids
    ]
    with pytest.raises(TokenMissing, match="2 such keys"):
        keysource.open_uri(token.uri(name), lambda: PIN)
    for one, signer in zip(ids, made, strict=True):
        assert keysource.open_uri(token.uri(name, rest=f";id={one}"), lambda: PIN).spki == (
            signer.spki
        )


def test_a_key_that_no_node_accepts(token: softhsm.Token, tmp_path: Path) -> None:
    import pkcs11

    name = f"weak{next(_numbers)}"
    session = pkcs11.lib(token.module).get_token(token_label="house").open(rw=True)
    session.generate_keypair(pkcs11.KeyType.RSA, 1024, id=b"\7", label=name, store=True)
    session.close()
    with pytest.raises(NotAKey):
        NewKey("p256", PIN, token.uri(name)).create(tmp_path / "key")
    assert not (tmp_path / "key").exists()


def test_a_key_file_that_others_can_change(token: softhsm.Token, tmp_path: Path) -> None:
    new_key(token, tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(OpenPermissions):
        keysource.load(tmp_path / "key", _unasked)


FILES = {
    "two lines": b"pkcs11:token=a;object=b\npkcs11:token=a;object=c\n",
    "no UTF-8": b"pkcs11:token=a;object=\xff\n",
    "a PIN": b"pkcs11:token=a;object=b?pin-value=1\n",
}


@pytest.mark.parametrize("what", FILES)
def test_a_key_file_that_is_damaged(tmp_path: Path, what: str) -> None:
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_bytes(FILES[what])
    with pytest.raises(BadKeyURI):
        keysource.load(tmp_path / "key", _unasked)


def test_homes_whose_keys_are_on_a_token(token: softhsm.Token, tmp_path: Path) -> None:
    number = next(_numbers)
    ada = developer_home.init(
        tmp_path / "dev", "Ada", NewKey("p256", PIN, token.uri(f"ada{number}"))
    )
    assert developer_home.unlock(tmp_path / "dev", lambda: PIN).signer.spki == ada.spki
    authority.init(
        tmp_path / "store",
        "Shop",
        NewKey("rsa2048", PIN, token.uri(f"shop{number}")),
        Validity(NOW - 60, NOW + 86400),
    )
    verify(authority.unlock(tmp_path / "store", lambda: PIN), b"x")
    founding = Founding("house", "p256", key=token.uri(f"slca{number}"))
    site_home.init(tmp_path / "site", founding, PIN, NOW)
    with Manager(tmp_path / "site", lambda: PIN, lambda: NOW) as manager:
        manager.sign_time(bytes(16))


def test_the_next_key_of_a_site_stays_on_a_token(token: softhsm.Token, tmp_path: Path) -> None:
    number = next(_numbers)
    founding = Founding("house", "p256", key=token.uri(f"slca{number}"))
    site_home.init(tmp_path / "site", founding, PIN, NOW)
    with Manager(tmp_path / "site", lambda: PIN, lambda: NOW) as manager:
        with pytest.raises(TokenWanted):
            manager.prepare_key()
        manager.prepare_key(uri=token.uri(f"slca{number}-2"))
        manager.activate_key()
        manager.sign_time(bytes(16))
        manager.taint_key()
        manager.revoke_key()
        manager.prepare_key(uri="file:")
        manager.activate_key()
        assert "ENCRYPTED" in (tmp_path / "site" / "site-3.key").read_text()


BAD_HOMES: dict[str, tuple[Callable[[softhsm.Token], NewKey], type[Failure]]] = {
    "a URI that can't be read": (lambda token: NewKey("p256", PIN, "pkcs11:"), BadKeyURI),
    "a file": (lambda token: NewKey("p256", PIN, "/a/file"), BadKeyURI),
    "another token": (
        lambda token: NewKey("p256", PIN, token.uri("a", token="none")),
        TokenMissing,
    ),
    "no PIN": (lambda token: NewKey("p256", None, token.uri("a")), NoPassphrase),
}


@pytest.mark.parametrize("what", BAD_HOMES)
def test_a_home_is_whole_or_not_there(token: softhsm.Token, tmp_path: Path, what: str) -> None:
    make, failure = BAD_HOMES[what]
    with pytest.raises(failure):
        developer_home.init(tmp_path / "dev", "Ada", make(token))
    assert list(tmp_path.iterdir()) == []
