"""The developer: home, request, executable, versions, and the seal."""

import datetime
import stat
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, reject
from hypothesis import strategies as st

from boards.code import mpy
from boards.errors import BadFolder
from sealcore import eckeys, encode, errors, limits, sealwriter, timetext, upstream
from tests.worlds import seals
from triseal import pem, request, signer, version
from triseal.developer import executable, home
from triseal.developer.sign import Release, sign, years
from triseal.errors import (
    AlreadyExists,
    BadExecutable,
    BadLabel,
    BadMetadata,
    BadName,
    BadRequest,
    BadVersion,
    FileTooLarge,
    NotAKey,
    NotInitialised,
)
from triseal.keysource import NewKey
from triseal.signer import KeySigner, PrivateKey

MPY = mpy.compile_source(seals.SOURCE, "app.py")


def never() -> bytes:
    raise AssertionError("asked for a passphrase that nobody needs")


# Home.


def test_a_home_holds_a_key_and_its_request(tmp_path: Path) -> None:
    made = home.init(tmp_path / "dev", "Ada Lovelace", NewKey("p256", b"secret"))
    assert home.show(tmp_path / "dev") == made
    opened = home.unlock(tmp_path / "dev", lambda: b"secret")
    assert (opened.name, opened.signer.spki) == ("Ada Lovelace", made.spki)
    assert stat.S_IMODE((tmp_path / "dev" / home.KEY).stat().st_mode) == 0o600


def test_a_second_init_changes_nothing(tmp_path: Path) -> None:
    home.init(tmp_path, "Ada", NewKey("p256"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(AlreadyExists):
        home.init(tmp_path, "Bob", NewKey("p256"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nobody_is_home_in_an_empty_folder(tmp_path: Path) -> None:
    for ask in (home.show, home.request_pem):
        with pytest.raises(NotInitialised):
            ask(tmp_path)
    with pytest.raises(NotInitialised):
        home.unlock(tmp_path, never)


def test_the_key_of_another_home_is_noticed(tmp_path: Path) -> None:
    home.init(tmp_path / "a", "Ada", NewKey("p256"))
    home.init(tmp_path / "b", "Bob", NewKey("p256"))
    (tmp_path / "a" / home.KEY).replace(tmp_path / "b" / home.KEY)
    with pytest.raises(NotAKey):
        home.unlock(tmp_path / "b", never)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Ada ",
        " Ada",
        "A  da",
        "A\nB",
        "A\x1b[31m",
        "\u202eadA",
        "é" * 33,
        "x" * 65,
        "\ud800",
        "Ada\u3164",
        "Ada\u034f",
        "Ada\ufe0f",
        "Ada\U000e0101",
        "Ada\u115f",
        "Ada\u1160",
        "Ada\uffa0",
        "\u2800Ada",
        "A\u200bda",
        "A\u00adda",
        "A\u00a0da",
        "A\u3000da",
        "Zoe\u0308",
    ],
)
def test_a_name_that_people_could_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        home.init(tmp_path, name, NewKey("p256"))
    assert list(tmp_path.iterdir()) == []


# Requests.


LETTERS = st.characters(categories=["L", "N", "P"], include_characters=" ")


@given(st.text(LETTERS, min_size=1, max_size=16))
@example("Ada Lovelace")
@example("Zo\u00eb \u0410\u0434\u0430 \u5c0f\u660e")
def test_a_request_tells_name_and_key(name: str) -> None:
    try:
        request.check_name(name)
    except BadName:
        reject()
    key = ADA_KEY
    assert request.parse(request.make(KeySigner(key), name)).entry == (
        sealwriter.name(name),
        KeySigner(key).spki,
    )


ADA_KEY = signer.generate("p256")


def test_a_request_proves_possession(any_key: PrivateKey) -> None:
    der = pem.decode(request.make(KeySigner(any_key), "Ada"))[1]
    assert request.parse(der).name == "Ada"
    damaged = der[:-1] + bytes([der[-1] ^ 1])
    renamed = der.replace(b"Ada", b"Eve")
    for data in (damaged, renamed, der[:-1], der + b"\x00", b"", b"-----BEGIN", b"x" * 9000):
        with pytest.raises(BadRequest):
            request.parse(data)


def test_a_request_is_bounded() -> None:
    """What stands around PEM is passed over, but read."""
    text = request.make(KeySigner(ADA_KEY), "Ada")
    assert request.parse(text.ljust(request.MAX_SIZE, b"\n")).name == "Ada"
    with pytest.raises(BadRequest):
        request.parse(text.ljust(request.MAX_SIZE + 1, b"\n"))


def test_a_request_of_a_key_that_no_node_accepts_is_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 1024)):
        with pytest.raises(errors.UnsupportedKey):
            request.parse(request.make(KeySigner(key), "Ada"))


def signed_request(version: bytes, spki: bytes, attributes: bytes) -> bytes:
    """A request of Ada's key, DER, with these parts."""
    info = encode.sequence(version, sealwriter.name("Ada"), spki, attributes)
    signer = KeySigner(ADA_KEY)
    return bytes(sealwriter.signed(info, signer.algorithm, signer.sign(info)))


V1 = bytes.fromhex("020100")
NO_ATTRIBUTES = bytes.fromhex("a000")
ADA_SPKI = KeySigner(ADA_KEY).spki
CHALLENGE = "06092a864886f70d010907"


@pytest.mark.parametrize(
    ("sentence", "attributes"),
    [
        (
            "an attribute without values",
            encode.element(0xA0, bytes.fromhex(f"300d{CHALLENGE}3100")),
        ),
        ("an attribute without kind", bytes.fromhex("a00730050c01613100")),
        ("no attribute", bytes.fromhex("a0020500")),
        ("none at all", b""),
        ("something behind them", NO_ATTRIBUTES + b"\x05\x00"),
    ],
)
def test_a_request_is_strict_der(sentence: str, attributes: bytes) -> None:
    with pytest.raises(BadRequest):
        request.parse(signed_request(V1, ADA_SPKI, attributes))


def test_attributes_that_nobody_asks_for_may_be_there() -> None:
    """OpenSSL's own requests have them."""
    some = encode.element(0xA0, bytes.fromhex(f"3010{CHALLENGE}31030c0161"))
    assert request.parse(signed_request(V1, ADA_SPKI, some)).spki == ADA_SPKI
    assert request.parse(signed_request(V1, ADA_SPKI, NO_ATTRIBUTES)).spki == ADA_SPKI
    with pytest.raises(BadRequest):
        request.parse(b" " + signed_request(V1, ADA_SPKI, NO_ATTRIBUTES))


def test_a_key_is_what_was_signed_and_no_other_form_of_it() -> None:
    """A compressed point is a key for OpenSSL, and none for a node."""
    point = ADA_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = encode.sequence(eckeys.EC_KEY, encode.bits(point))
    with pytest.raises(errors.UnsupportedKey):
        request.parse(signed_request(V1, compressed, NO_ATTRIBUTES))


def test_a_request_with_somebody_elses_key_is_refused(p256_key: PrivateKey) -> None:
    mine = pem.decode(request.make(KeySigner(p256_key), "Eve"))[1]
    stolen = mine.replace(KeySigner(p256_key).spki, KeySigner(ADA_KEY).spki)
    assert stolen != mine
    with pytest.raises(BadRequest):
        request.parse(stolen)


# Executables.


def file(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_both_kinds_of_executables_are_read(tmp_path: Path) -> None:
    for data, name in ((seals.SOURCE, "app.py"), (MPY, "app.mpy")):
        found = executable.read(file(tmp_path, name.replace("app", "a"), data))
        assert (found.name, found.content, found.left_out) == (name, data, ())


@pytest.mark.parametrize(
    ("sentence", "name", "data"),
    [
        ("empty source", "a.py", b""),
        ("empty bytecode", "a.mpy", b""),
        ("another suffix", "a.txt", b"pass"),
        ("no suffix", "app", b"pass"),
        ("not UTF-8", "a.py", b"x = '\xff'"),
        ("not valid Python", "a.py", b"def"),
        ("a zero in source", "a.py", b"x = 1\x00"),
        ("nested without end", "a.py", b"(" * 5000),
        ("bytecode named as source", "a.py", MPY + b"\xff"),
        ("source named as bytecode", "a.mpy", b"import x"),
        ("a header alone", "a.mpy", MPY[:4]),
        ("CPython's bytecode", "a.mpy", struct.pack("<I", 0x0A0D0DA7) + MPY),
        ("an old .mpy version", "a.mpy", b"M\x04" + MPY[2:]),
        ("a future .mpy version", "a.mpy", b"M\x07" + MPY[2:]),
        ("no small integers", "a.mpy", b"M\x06\x00\x00" + MPY[4:]),
    ],
)
def test_an_executable_that_no_board_could_run(
    tmp_path: Path, sentence: str, name: str, data: bytes
) -> None:
    with pytest.raises(BadExecutable):
        executable.read(file(tmp_path, name, data))


def test_folders_missing_and_huge_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").mkdir()
    with pytest.raises(BadFolder):
        executable.read(tmp_path / "a.py")
    with pytest.raises(FileNotFoundError):
        executable.read(tmp_path / "b.py")
    with (tmp_path / "c.mpy").open("wb") as stream:
        stream.truncate(limits.MAX_EXECUTABLE + 1)
    with pytest.raises(FileTooLarge):
        executable.read(tmp_path / "c.mpy")


def test_a_warning_about_source_is_no_refusal(tmp_path: Path) -> None:
    source = b"x = '\\d' is 1\n"
    assert executable.read(file(tmp_path, "a.py", source)).content == source


# Versions.


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1", "2"), ("1.9", "1.10"), ("1.2", "1.2.1"), ("0", "0.0.1"), ("1.2.9", "1.3"), ("9", "10")],
)
def test_versions_compare_number_by_number(older: str, newer: str) -> None:
    assert version.parse(older) < version.parse(newer)


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("1.2", "1.2.0.0"), ("0", "0.0")])
def test_what_a_version_lacks_counts_as_zero(one: str, other: str) -> None:
    assert version.parse(one) == version.parse(other)


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".1", "1..2", "01", "1.02", "-1", "+1", " 1", "1 ", "1\n", "1_0", "v1", "1.0b1",
     "1.x", "１", "1.2.3.4.5.6.7.8.9", "1" * 33],
)  # fmt: skip
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(BadVersion):
        version.parse(text)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=8))
def test_the_order_is_that_of_the_numbers(numbers: list[int]) -> None:
    text = ".".join(map(str, numbers))
    longer = numbers + [0] * (8 - len(numbers))
    assert list(version.parse(text)) + [0] * (8 - len(version.parse(text))) == longer


# The seal.


def test_a_package_passes_the_stores_steps(any_key: PrivateKey) -> None:
    ada = seals.developer("Ada", any_key)
    made = seals.package(ada)
    entry = sealwriter.name("Ada"), ada.signer.spki
    found = upstream.verify_submission(made.opened(), [entry], seals.NOW)
    assert (found.service, found.service_version, found.security_version) == ("blink", "1.0.0", 1)
    assert made.store_seal == b""
    assert made.metadata == b'{"capabilities":[],"entry":"app.py","name":"blink"}'


@pytest.mark.parametrize(
    ("sentence", "release", "kind"),
    [
        ("a service name with capitals", Release("Blink", "1", 1), BadLabel),
        ("a service name that leads out", Release("../x", "1", 1), BadLabel),
        ("a version that is none", Release("blink", "one", 1), BadVersion),
        ("a security version below zero", Release("blink", "1", -1), BadVersion),
        ("a security version too high", Release("blink", "1", 1 << 31), BadVersion),
        ("metadata of another service", Release("blink", "1", 1, b'{"name":"x"}'), BadMetadata),
        ("metadata that is none", Release("blink", "1", 1, b"[]"), BadMetadata),
    ],
)
def test_what_must_not_be_sealed(sentence: str, release: Release, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        sign(seals.developer(), release, "app.py", seals.SOURCE, seals.LONG)


@pytest.mark.parametrize(
    ("begin", "count", "end"),
    [
        ("2026-11-22T12:31:05Z", 10, "2036-11-22T12:31:04Z"),
        ("2028-02-29T00:00:00Z", 1, "2029-02-27T23:59:59Z"),
        ("2028-02-29T00:00:00Z", 4, "2032-02-28T23:59:59Z"),
        ("2049-12-31T23:59:59Z", 1, "2050-12-31T23:59:58Z"),
        ("2026-01-01T00:00:00Z", 100, "2125-12-31T23:59:59Z"),
    ],
)
def test_years_end_a_second_before_the_same_moment(begin: str, count: int, end: str) -> None:
    start = int(datetime.datetime.fromisoformat(begin).timestamp())
    assert timetext.iso(years(start, count).not_after) == end
