"""PEM has one reader: every command takes the same files, and refuses the same ones."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from sealcore import x509
from tests.host.project.maps import ROOT
from tests.worlds.seals import Shop
from triseal import keyfile, pem, request, signer
from triseal.cli import evidence
from triseal.errors import NotRecognised, SeveralInFile
from triseal.inspect import inspect
from triseal.signer import KeySigner
from triseal.site import inputs
from triseal.store import authority

KEY = signer.generate("p256")
SPKI = KeySigner(KEY).spki
SECRET = KEY.private_bytes(
    serialization.Encoding.DER,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
CA = bytes(Shop().certificate.der)

# One block for each label that a person may give to a command.
BLOCKS = {
    "certificate": pem.encode(pem.CERTIFICATE, CA),
    "request": request.make(KeySigner(KEY), "Ada"),
    "public key": pem.encode(pem.PUBLIC_KEY, SPKI),
    "private key": pem.encode(pem.PRIVATE_KEY, SECRET),
}

Read = Callable[[bytes, Path], object]


def _written(data: bytes, path: Path) -> Path:
    path.touch(0o600)
    path.write_bytes(data)
    return path


def _seals(path: Path) -> list[bytes]:
    return [bytes(x509.parse(der).der) for der in evidence._seals([path, path])]


# Every reader: the block that it takes, and how it is called.
READERS: dict[str, tuple[str, Read]] = {
    "trust-store": ("certificate", lambda data, _: inputs.certificate(data)),
    "trust-developer": ("request", lambda data, _: inputs.developer(data, None)),
    "trust-developer --name": ("public key", lambda data, _: inputs.developer(data, "Ada")),
    "register-developer": ("request", lambda data, _: request.parse(data)),
    "inspect": ("certificate", lambda data, _: inspect(data)),
    "evidence check --store-cert": (
        "certificate",
        lambda data, path: evidence._entry(_written(data, path / "a")),
    ),
    "evidence check --developer": (
        "request",
        lambda data, path: evidence._entry(_written(data, path / "a")),
    ),
    "evidence make": (
        "certificate",
        lambda data, path: _seals(_written(data, path / "a")),
    ),
    "the Store's certificate": (
        "certificate",
        lambda data, path: bytes(
            authority.load_certificate(_written(data, path / authority.CERTIFICATE).parent).der
        ),
    ),
    "a private key": (
        "private key",
        lambda data, path: KeySigner(keyfile.load(_written(data, path / "k"), bytes)).spki,
    ),
}

# Ways in which tools and mail programs write one block.
TAKEN: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda block: block,
    "a byte order mark": lambda block: b"\xef\xbb\xbf" + block,
    "text before it": lambda block: b"Certificate:\n    Data:\n" + block,
    "text that begins with a zero": lambda block: b"0 s:CN = Shop\n" + block,
    "text in Latin-1 before it": lambda block: b"friendlyName: B\xfccher\n" + block,
    "text after it": lambda block: block + b"-- \nAda\n",
    "a mark, and text on both sides": lambda block: b"\xef\xbb\xbfHello\n" + block + b"bye",
    "blank lines before it": lambda block: b"\n \n\t\n" + block,
    "the ends of lines of Windows": lambda block: block.replace(b"\n", b"\r\n"),
    "the ends of lines of an old Mac": lambda block: block.replace(b"\n", b"\r"),
    "no end of the last line": lambda block: block.rstrip(),
    "blanks at the ends of lines": lambda block: block.replace(b"\n", b"  \n"),
    "lines that are indented": lambda block: b"  " + block.replace(b"\n", b"\n  "),
    "short lines": lambda block: re.sub(rb"(?m)^(\w{20})(?=\w)", rb"\1\n", block),
}


def _relabelled(block: bytes) -> bytes:
    return block.replace(b"BEGIN ", b"BEGIN PKCS7 ").replace(b"END ", b"END PKCS7 ")


# Files that are refused, whoever reads them.
REFUSED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "only blanks": lambda _: b" \n\n",
    "only a mark": lambda _: b"\xef\xbb\xbf",
    "other text": lambda _: b"hello\n",
    "another label": _relabelled,
    "UTF-16": lambda block: block.decode().encode("utf-16"),
    "UTF-16 of the other end": lambda block: b"\xfe\xff" + block.decode().encode("utf-16-be"),
    "no end": lambda block: block[: block.index(b"-----END")],
    "no beginning": lambda block: block[block.index(b"\n") + 1 :],
    "another end": lambda block: block.replace(b"-----END ", b"-----END X"),
    "a beginning within it": lambda block: block.replace(b"\n", b"\n-----BEGIN X-----\n", 1),
    "half of it": lambda block: block[: len(block) // 2] + block[block.index(b"-----END") :],
    "a letter that is no base64": lambda block: block.replace(b"\n", b"\n!", 1),
    "a letter too many": lambda block: block.replace(b"\n", b"\nA", 1),
    "headers": lambda block: block.replace(b"\n", b"\nProc-Type: 4,ENCRYPTED\n\n", 1),
    "quoted by mail": lambda block: b"> " + block.replace(b"\n", b"\n> "),
    "a block that OpenSSL sees in long lines": lambda block: (
        block + b"#" * 254 + b"-----BEGIN X-----\n" + b"QUJD".ljust(254) + b"-----END X-----\n"
    ),
    "a beginning within a line": lambda block: b"x -----BEGIN X-----\n" + block,
    "an end within a line": lambda block: block + b"x -----END X-----\n",
    "an edge with another label": lambda block: b"-----BEGIN x-----\n" + block,
    "an empty block": lambda block: b"\n".join(block.splitlines()[:: len(block.splitlines()) - 1]),
    "a null": lambda block: b"\0" + block,
    "a null in it": lambda block: block.replace(b"\n", b"\n\0", 1),
}
# Files with more than the one block: none of them may be dropped silently.
SEVERAL: dict[str, Callable[[bytes], bytes]] = {
    "the same twice": lambda block: block + block,
    "another kind before it": lambda block: pem.encode("X509 CRL", b"\x30\x00") + block,
    "another kind after it": lambda block: block + pem.encode("DH PARAMETERS", b"\x30\x00"),
    "a key after it": lambda block: block + pem.encode("EC PRIVATE KEY", b"\x30\x00"),
    "three with text between": lambda block: (b"\nNext:\n" + block) * 3,
    "two after a mark": lambda block: b"\xef\xbb\xbf" + block + b"\r\n" + block,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_the_same_ways_of_writing(reader: str, tmp_path: Path) -> None:
    kind, read = READERS[reader]
    wanted = read(BLOCKS[kind], tmp_path)
    for sentence, change in TAKEN.items():
        assert read(change(BLOCKS[kind]), tmp_path) == wanted, sentence


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_the_same_files_in_one_line(reader: str, tmp_path: Path) -> None:
    kind, read = READERS[reader]
    for sentence, change in REFUSED.items():
        data = change(BLOCKS[kind])
        if reader == "inspect" and sentence == "another label":
            continue  # a person asks what the file is
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each reader has its own
            read(data, tmp_path)
        assert getattr(caught.value, "code", "defect") in CODES, sentence
        assert "\n" not in str(caught.value), sentence


CODES = {"not-recognised", "bad-authority", "bad-request", "malformed-der", "not-a-key"}
CODES |= {"damaged-store", "bad-name"}


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_drops_a_second_block(reader: str, tmp_path: Path) -> None:
    kind, read = READERS[reader]
    for sentence, change in SEVERAL.items():
        with pytest.raises(Exception) as caught:  # noqa: PT011 - see below
            read(change(BLOCKS[kind]), tmp_path)
        wanted = {"private key": "not-a-key", "the Store's certificate": "damaged-store"}
        expected = wanted.get(reader, wanted.get(kind, "several-in-file"))
        assert getattr(caught.value, "code", "defect") == expected, sentence


@pytest.mark.parametrize(
    "reader", [name for name, (kind, _) in READERS.items() if kind != "private key"]
)
def test_only_a_reader_of_keys_takes_a_private_key(reader: str, tmp_path: Path) -> None:
    for label in (pem.PRIVATE_KEY, pem.ENCRYPTED_KEY, *pem.OLD_KEYS, "OPENSSH PRIVATE KEY"):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each reader has its own
            READERS[reader][1](pem.encode(label, SECRET), tmp_path)
        assert getattr(caught.value, "code", "defect") in CODES


@pytest.mark.parametrize("kind", ["certificate", "request", "public key"])
def test_der_is_read_as_it_is(kind: str) -> None:
    label, der = pem.decode(BLOCKS[kind])
    assert pem.decode(der) == ("", der)
    assert pem.expect(der, label) == der
    holds_text = b"\x30\x82\x01\x00" + BLOCKS[kind]
    assert pem.decode(holds_text) == ("", holds_text)


def test_older_labels_mean_the_same() -> None:
    assert pem.expect(pem.encode("X509 CERTIFICATE", CA), pem.CERTIFICATE) == CA
    assert pem.decode(pem.encode("NEW CERTIFICATE REQUEST", CA))[0] == pem.REQUEST


def test_an_error_names_what_is_in_the_file() -> None:
    with pytest.raises(NotRecognised, match="holds a PUBLIC KEY, not a CERTIFICATE"):
        pem.expect(BLOCKS["public key"], pem.CERTIFICATE)
    with pytest.raises(SeveralInFile, match=r"2 blocks.* .CERTIFICATE, PUBLIC KEY.$"):
        pem.decode(BLOCKS["certificate"] + BLOCKS["public key"])


OTHER_MEANS = re.compile(r"load_pem_|Encoding\.PEM|-----BEGIN|-----END|ssl\.PEM_|PEM_cert_to_DER")


def test_nothing_reads_or_writes_pem_by_other_means() -> None:
    assert OTHER_MEANS.search("load_pem_x509_certificate")
    for path in (ROOT / "host" / "triseal").rglob("*.py"):
        if path.name != "pem.py":
            assert not OTHER_MEANS.search(path.read_text(encoding="utf-8")), path
