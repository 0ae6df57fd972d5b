"""OpenSSL and sealcore's own arithmetic give a signature the same verdict, refusals included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

import sealcore.rsa
from sealcore import errors, p256
from sealcore.compat import sha256
from sealcore.p256_curve import N
from tests.host.sealcore import signature_vectors, signatures
from triseal import openssl

MESSAGE = b"what is signed"
RSA = rsa.generate_private_key(65537, 2048)
CURVE = ec.derive_private_key(7, ec.SECP256R1())
RSA_SIGNATURE = RSA.sign(MESSAGE, padding.PKCS1v15(), SHA256())
RSA_N = RSA.public_key().public_numbers().n
R, S = decode_dss_signature(CURVE.sign(MESSAGE, ec.ECDSA(SHA256())))
RIGHT = encode_dss_signature(R, S)
CASES = signature_vectors.all_cases()


def named(value: object) -> str:
    """The name of a row. The signatures are others in each process, so they are in no name."""
    return value if isinstance(value, str) else ""


Native = Callable[[Any, bytes, bytes], bool]


def use(monkeypatch: pytest.MonkeyPatch, native: Native | None) -> None:
    for module in (sealcore.rsa, p256):
        monkeypatch.setattr(module, "_native", native)


def of_rsa(e: int = 65537) -> sealcore.rsa.PublicKey:
    return sealcore.rsa.PublicKey(RSA_N, e)


def of_p256() -> p256.PublicKey:
    numbers = CURVE.public_key().public_numbers()
    return p256.PublicKey(numbers.x, numbers.y)


def test_whoever_has_keys_verifies_with_openssl() -> None:
    code = (
        "from sealcore import p256, rsa; from triseal import openssl, signer; "
        "assert rsa._native is p256._native is openssl.accepts"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sealcore_alone_needs_neither_triseal_nor_cryptography() -> None:
    code = (
        "import sys; from sealcore import p256, rsa; assert rsa._native == p256._native == 0; "
        "assert not {'triseal', 'cryptography'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_both_give_each_vector_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has passed the checks of form gets the same verdict from OpenSSL alone."""
    said: list[bool] = []

    def noting(key: sealcore.rsa.PublicKey, digest: bytes, signature: bytes) -> bool:
        said.append(openssl.accepts(key, digest, signature))
        return said[-1]

    wrong = []
    asked = 0
    for case in CASES:
        use(monkeypatch, None)
        plain = signatures.verdict(case.line)
        said.clear()
        use(monkeypatch, noting)
        both = signatures.verdict(case.line)
        asked += len(said)
        differs = said not in ([], [plain == "-"])
        if differs or (plain, both) != (case.code, case.code):
            wrong.append((case.name, case.code, plain, both, list(said)))
    assert wrong == []
    assert asked > 800  # so many have the right form


@pytest.mark.parametrize(
    ("sentence", "signature"),
    [
        ("a byte short", RSA_SIGNATURE[:-1]),
        ("a byte long", b"\x00" + RSA_SIGNATURE),
        ("empty", b""),
        ("the modulus itself", RSA_N.to_bytes(256)),
        ("above the modulus", (2**2048 - 1).to_bytes(256)),
    ],
    ids=named,
)
def test_rsa_of_a_wrong_form_is_refused_before_openssl_is_asked(
    monkeypatch: pytest.MonkeyPatch, sentence: str, signature: bytes
) -> None:
    use(monkeypatch, lambda *_: True)
    with pytest.raises(errors.BadSignature):
        of_rsa().verify(MESSAGE, signature)
    of_rsa().verify(b"another message", RSA_SIGNATURE)  # this `native` would accept anything


@pytest.mark.parametrize(
    ("sentence", "signature"),
    [
        ("r is 0", encode_dss_signature(0, S)),
        ("s is 0", encode_dss_signature(R, 0)),
        ("r is the order", encode_dss_signature(N, S)),
        ("r is above the order", encode_dss_signature(R + N, S)),
        ("s is the order", encode_dss_signature(R, N)),
        ("a length in the long form", b"\x30\x81" + RIGHT[1:]),
        ("of indefinite length", b"\x30\x80" + RIGHT[2:] + b"\x00\x00"),
        ("a zero before r", b"\x30\x26\x02\x21" + bytes(33) + b"\x02\x01\x01"),
        ("something after it", RIGHT + b"\x00"),
        ("cut off", RIGHT[:-1]),
        ("another tag", b"\x31" + RIGHT[1:]),
        ("a third number", b"\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01"),
        ("empty", b""),
    ],
    ids=named,
)
def test_ecdsa_of_a_wrong_form_is_refused_before_openssl_is_asked(
    monkeypatch: pytest.MonkeyPatch, sentence: str, signature: bytes
) -> None:
    use(monkeypatch, lambda *_: True)
    with pytest.raises(errors.BadSignature):
        of_p256().verify(MESSAGE, signature)
    of_p256().verify(b"another message", RIGHT)


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2, 4, 65536, 2**256 + 1])
def test_exponents_are_refused_before_there_is_a_key(exponent: int) -> None:
    with pytest.raises(errors.UnsupportedKey):
        of_rsa(exponent)


def raised(block: bytes) -> bytes:
    """The signature whose encoded message is `block`."""
    return pow(int.from_bytes(block), RSA.private_numbers().d, RSA_N).to_bytes(256)


INFO = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(MESSAGE)
NO_NULL = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + sha256(MESSAGE)
PADDED = b"\x00\x01" + b"\xff" * (253 - len(INFO)) + b"\x00" + INFO


@pytest.mark.parametrize(
    ("sentence", "block"),
    [
        ("a shorter padding, and zeros at the end", PADDED[:50] + PADDED[60:] + bytes(10)),
        ("a shorter padding, and zeros before it", bytes(10) + PADDED[:50] + PADDED[60:]),
        ("padding of type 2", b"\x00\x02" + PADDED[2:]),
        ("padding with another byte", PADDED[:9] + b"\xfe" + PADDED[10:]),
        ("no parameters", b"\x00\x01" + b"\xff" * (253 - len(NO_NULL)) + b"\x00" + NO_NULL),
        ("another digest", PADDED[:-1] + bytes([PADDED[-1] ^ 1])),
        ("no padding", bytes(256 - len(INFO)) + INFO),
    ],
    ids=named,
)
def test_a_wrong_padding_is_refused_by_both(
    monkeypatch: pytest.MonkeyPatch, sentence: str, block: bytes
) -> None:
    assert raised(PADDED) == RSA_SIGNATURE
    assert not openssl.accepts(of_rsa(), sha256(MESSAGE), raised(block))
    for native in (None, openssl.accepts):
        use(monkeypatch, native)
        with pytest.raises(errors.BadSignature):
            of_rsa().verify(MESSAGE, raised(block))


def test_what_openssl_does_not_accept_is_decided_by_sealcore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, lambda *_: False)
    of_rsa().verify(MESSAGE, RSA_SIGNATURE)
    of_p256().verify(MESSAGE, RIGHT)
    with pytest.raises(errors.BadSignature):
        of_p256().verify(b"another message", RIGHT)


def test_an_exponent_that_openssl_does_not_take_is_no_refusal() -> None:
    """OpenSSL takes at most 64 bits for a modulus above 3072 bits; sealcore takes 256."""
    key = rsa.generate_private_key(65537, 3200).private_numbers()
    order = (key.p - 1) * (key.q - 1)
    e = next(e for e in range(2**200 + 1, 2**200 + 999, 2) if _prime_to(e, order))
    n = key.public_numbers.n
    block = b"\x00\x01" + b"\xff" * (397 - len(INFO)) + b"\x00" + INFO
    signature = pow(int.from_bytes(block), pow(e, -1, order), n).to_bytes(400)
    found = sealcore.rsa.PublicKey(n, e)
    assert not openssl.accepts(found, sha256(MESSAGE), signature)
    found.verify(MESSAGE, signature)


def _prime_to(e: int, order: int) -> bool:
    try:
        return pow(e, -1, order) > 0
    except ValueError:
        return False
