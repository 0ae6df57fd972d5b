"""The package: what is written is read back, anything else is refused."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealcore import encode, errors
from triseal import package
from triseal.errors import FileTooLarge, NotAFile
from triseal.package import Package

ANY_SEAL = st.binary(max_size=300).map(encode.sequence)
PACKAGES = st.builds(
    Package,
    name=st.sampled_from(package.NAMES),
    executable=st.binary(min_size=1, max_size=400),
    metadata=st.binary(min_size=1, max_size=300),
    developer_seal=ANY_SEAL,
    store_seal=st.just(b"") | ANY_SEAL,
    proof=st.just("") | st.text(min_size=1, max_size=300),
)
SEAL = encode.sequence(b"seal")
SEALED = encode.explicit(0, SEAL)
GOOD = Package("app.py", b"code", b"{}", SEAL, SEAL)


def written(**changed: bytes) -> bytes:
    """The fields of GOOD in their order, some of them replaced."""
    fields = {
        "label": encode.text(package.LABEL),
        "name": encode.text("app.py"),
        "metadata": encode.octets(b"{}"),
        "developer": SEAL,
        "store": encode.explicit(0, SEAL),
        "executable": encode.octets(b"code"),
    }
    return bytes(encode.sequence(*(fields | changed).values()))


REFUSED: tuple[tuple[str, bytes, str], ...] = (
    ("nothing at all", b"", "malformed-der"),
    ("another label", written(label=encode.text("triseal bundle v1")), "malformed-der"),
    ("no label", written(label=b""), "malformed-der"),
    ("a name that leads out of its folder", written(name=encode.text("../a.py")), "malformed-der"),
    ("a name that is no executable's", written(name=encode.text("main.py")), "malformed-der"),
    ("no metadata", written(metadata=encode.octets(b"")), "malformed-der"),
    ("metadata over 8 KiB", written(metadata=encode.octets(b" " * 8193)), "malformed-der"),
    ("no developer seal", written(developer=b""), "malformed-der"),
    ("a developer seal over 4 KiB", written(developer=encode.sequence(b" " * 4096)), "too-large"),
    ("two Store seals", written(store=encode.explicit(0, SEAL, SEAL)), "malformed-der"),
    ("an empty Store seal", written(store=encode.explicit(0)), "malformed-der"),
    ("a Store seal in the wrong place", written(store=SEAL), "malformed-der"),
    ("an empty proof", written(store=SEALED + encode.text("", 0x81)), "malformed-der"),
    ("a proof of 80 kB", written(store=SEALED + encode.text("x" * 80000, 0x81)), "malformed-der"),
    ("a proof before the seal", written(store=encode.text("x", 0x81) + SEALED), "malformed-der"),
    ("no executable", written(executable=b""), "malformed-der"),
    ("an empty executable", written(executable=encode.octets(b"")), "malformed-der"),
    ("one more field", written(more=encode.integer(1)), "malformed-der"),
    ("an byte behind it", written() + b"\x00", "malformed-der"),
    ("a length in BER's long form", b"\x30\x84\x00\x00\x00" + written()[1:], "malformed-der"),
)


@given(PACKAGES)
def test_what_is_written_is_read_back(one: Package) -> None:
    assert package.parse(one.der()) == one


@given(st.binary(max_size=200))
def test_noise_is_refused_by_a_seal_error(data: bytes) -> None:
    with pytest.raises(errors.SealError):
        package.parse(data)


@pytest.mark.parametrize(("sentence", "data", "code"), REFUSED)
def test_refused(sentence: str, data: bytes, code: str) -> None:
    with pytest.raises(errors.SealError) as caught:
        package.parse(data)
    assert caught.value.code == code, sentence


def test_the_table_begins_with_a_good_one() -> None:
    assert package.parse(written()) == GOOD


def test_cut_off_anywhere_it_is_refused() -> None:
    whole = GOOD.der()
    for length in range(len(whole)):
        with pytest.raises(errors.MalformedDER):
            package.parse(whole[:length])


def test_each_check_reads_the_executable_from_its_begin() -> None:
    assert GOOD.opened().executable.read() == b"code"
    assert GOOD.opened().executable.read() == b"code"


def test_through_a_file(tmp_path: Path) -> None:
    package.write(tmp_path / "a.triseal", GOOD)
    assert package.read(tmp_path / "a.triseal") == GOOD
    assert [path.name for path in tmp_path.iterdir()] == ["a.triseal"]


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(NotAFile):
            package.read(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(FileTooLarge):
        package.read(tmp_path / "huge")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        package.write(tmp_path / "taken", GOOD)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
