"""RSA of sealcore beside that of OpenSSL: the same verdict on whatever is signed or mangled."""

import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa as pyca
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealcore import errors, rsa
from sealcore.compat import sha256
from tests import full
from tests.host.sealcore.arithmetic import own_arithmetic

MESSAGE = b"what is signed"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(MESSAGE)


@functools.cache
def private(exponent: int, bits: int) -> pyca.RSAPrivateKey:
    """A key of OpenSSL's."""
    return pyca.generate_private_key(exponent, bits)


keys = st.sampled_from([(3, 2048), (65537, 2048), (65537, 2056), (65537, 3072)])


def both_accept(key: pyca.RSAPrivateKey, message: bytes, signature: bytes) -> bool:
    """The verdict that both give; fails where they differ."""
    public = key.public_key()
    try:
        public.verify(signature, message, padding.PKCS1v15(), SHA256())
        expected = True
    except InvalidSignature:
        expected = False
    numbers = public.public_numbers()
    try:
        with own_arithmetic():
            rsa.PublicKey(numbers.n, numbers.e).verify(message, signature)
        seen = True
    except errors.BadSignature:
        seen = False
    assert seen == expected, f"OpenSSL {'accepts' if expected else 'refuses'} {signature.hex()}"
    return seen


def raised(key: pyca.RSAPrivateKey, block: bytes) -> bytes:
    """The signature whose encoded message is `block`, modulo n."""
    numbers = key.private_numbers()
    number = int.from_bytes(block)
    of_p, of_q = pow(number, numbers.dmp1, numbers.p), pow(number, numbers.dmq1, numbers.q)
    number = of_q + (of_p - of_q) * numbers.iqmp % numbers.p * numbers.q
    return number.to_bytes(key.key_size // 8)


@given(keys, st.binary(max_size=200))
def test_what_openssl_signs_verifies(kind: tuple[int, int], message: bytes) -> None:
    key = private(*kind)
    signature = key.sign(message, padding.PKCS1v15(), SHA256())
    assert both_accept(key, message, signature)
    assert not both_accept(key, message + b"\x00", signature)


@given(keys, st.data())
@settings(max_examples=full.examples(40))
def test_a_changed_encoded_message_gets_the_same_verdict(
    kind: tuple[int, int], data: st.DataObject
) -> None:
    """The owner of the key signs what is almost right."""
    key = private(*kind)
    padded = b"\xff" * (key.key_size // 8 - len(DIGEST_INFO) - 3)
    block = b"\x00\x01" + padded + b"\x00" + DIGEST_INFO
    assert both_accept(key, MESSAGE, raised(key, block))
    at = data.draw(st.integers(0, len(block) - 1))
    put = data.draw(st.binary(min_size=1, max_size=4))
    inserted = (block[:at] + put + block[at:])[-len(block) :]
    replaced = (block[:at] + put + block[at + len(put) :])[: len(block)]
    for changed in (inserted, replaced):
        assert both_accept(key, MESSAGE, raised(key, changed)) == (changed == block)


@given(keys, st.data())
def test_a_changed_signature_gets_the_same_verdict(
    kind: tuple[int, int], data: st.DataObject
) -> None:
    key = private(*kind)
    signature = key.sign(MESSAGE, padding.PKCS1v15(), SHA256())
    at = data.draw(st.integers(0, len(signature) - 1))
    kept = data.draw(st.integers(at, min(at + 3, len(signature))))
    put = data.draw(st.binary(max_size=3))
    changed = signature[:at] + put + signature[kept:]
    assert both_accept(key, MESSAGE, changed) == (changed == signature)


@given(keys, st.integers(-3, 3), st.integers(-1, 1))
@example((3, 2048), 0, 0)
@example((3, 2048), 1, 0)
def test_numbers_at_their_bounds_get_the_same_verdict(
    kind: tuple[int, int], offset: int, longer: int
) -> None:
    """About 0 and n, and the signature plus n, in as many bytes as are due or one more or less."""
    key = private(*kind)
    n = key.public_key().public_numbers().n
    right = int.from_bytes(key.sign(MESSAGE, padding.PKCS1v15(), SHA256()))
    size = key.key_size // 8 + longer
    for number in (max(offset, 0), n + offset, right + n, right + offset):
        if number >> 8 * size == 0:
            signature = number.to_bytes(size)
            assert both_accept(key, MESSAGE, signature) == (number == right and not longer)
