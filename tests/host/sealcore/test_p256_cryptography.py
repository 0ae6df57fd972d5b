"""P-256 of sealcore beside that of OpenSSL: the same verdict on whatever is signed or mangled."""

import hmac
import itertools
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealcore import errors, p256, p256_sign
from sealcore.compat import sha256
from sealcore.p256_curve import N, P
from tests import full
from tests.host.sealcore.arithmetic import own_arithmetic

CURVE = ec.SECP256R1()
SCHEME = ec.ECDSA(SHA256())
RFC_6979 = ec.ECDSA(SHA256(), deterministic_signing=True)

numbers = st.one_of(
    st.integers(1, N - 1), st.integers(1, 2**64), st.integers(1, 2**64).map(lambda k: N - k)
)
corners = st.sampled_from([0, 1, 2, N - 2, N - 1, N, N + 1, P - N, P - 1, P, P + 1, 2**256 - 1])
messages = st.binary(max_size=200)


def theirs(d: int) -> ec.EllipticCurvePrivateKey:
    """OpenSSL's key of this number."""
    return ec.derive_private_key(d, CURVE)


def ours(d: int) -> p256.PublicKey:
    """Our public key, from OpenSSL's arithmetic."""
    public = theirs(d).public_key().public_numbers()
    return p256.PublicKey(public.x, public.y)


def both_accept(d: int, message: bytes, signature: bytes) -> bool:
    """The verdict that both give; fails where they differ."""
    try:
        theirs(d).public_key().verify(signature, message, SCHEME)
        expected = True
    except InvalidSignature:
        expected = False
    try:
        with own_arithmetic():
            ours(d).verify(message, signature)
        seen = True
    except errors.BadSignature:
        seen = False
    assert seen == expected, f"OpenSSL {'accepts' if expected else 'refuses'} {signature.hex()}"
    return seen


@given(numbers, messages)
def test_what_openssl_signs_verifies(d: int, message: bytes) -> None:
    assert both_accept(d, message, theirs(d).sign(message, SCHEME))


@given(numbers, messages)
def test_we_sign_as_openssl_does_by_rfc_6979(d: int, message: bytes) -> None:
    assert p256_sign.PrivateKey(d).sign(message) == theirs(d).sign(message, RFC_6979)


def nonces_of_the_rfc(d: int, digest: bytes) -> Iterator[int]:
    """RFC 6979 section 3.2, steps a to h, with the standard library's HMAC."""

    def mac(key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, "sha256")

    octets = d.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    k, v = bytes(32), b"\x01" * 32
    k = mac(k, v + b"\x00" + octets)
    v = mac(k, v)
    k = mac(k, v + b"\x01" + octets)
    v = mac(k, v)
    while True:
        v = mac(k, v)
        yield int.from_bytes(v, "big")
        k = mac(k, v + b"\x00")
        v = mac(k, v)


@given(numbers, st.one_of(st.binary(min_size=32, max_size=32), st.just(b"\xff" * 32)))
def test_nonces_after_the_first_are_those_of_the_rfc(d: int, digest: bytes) -> None:
    expected = list(itertools.islice(nonces_of_the_rfc(d, digest), 4))
    assert list(itertools.islice(p256_sign._nonces(d, digest), 4)) == expected


@given(numbers, messages, st.data())
@settings(max_examples=full.examples(400))
def test_a_changed_signature_gets_the_same_verdict(
    d: int, message: bytes, data: st.DataObject
) -> None:
    signature = theirs(d).sign(message, RFC_6979)
    assert both_accept(d, message, signature)
    at = data.draw(st.integers(0, len(signature) - 1))
    kept = data.draw(st.integers(at, min(at + 3, len(signature))))
    put = data.draw(st.binary(max_size=3))
    changed = signature[:at] + put + signature[kept:]
    assert both_accept(d, message, changed) == (changed == signature)


@given(numbers, messages, st.one_of(corners, numbers), st.one_of(corners, numbers))
@settings(max_examples=full.examples(200))
def test_numbers_at_their_bounds_get_the_same_verdict(
    d: int, message: bytes, r: int, s: int
) -> None:
    assert not both_accept(d, message, encode_dss_signature(r, s))


@given(numbers, numbers, messages)
@example(1, 1, b"")
@example(N - 1, 1, b"")
@example(1 << 52, 1 << 208, b"")
def test_signatures_of_any_nonce_get_the_same_verdict(d: int, k: int, message: bytes) -> None:
    """Both multiples that a verifier adds are then what they like, tiny and huge ones too."""
    r = theirs(k).public_key().public_numbers().x % N
    s = (int.from_bytes(sha256(message)) + r * d) * pow(k, -1, N) % N
    assert both_accept(d, message, encode_dss_signature(r, s))
    assert both_accept(d, message, encode_dss_signature(r, N - s))
    assert not both_accept(d, message, encode_dss_signature(r, s + 1))
    assert not both_accept(N - d, message, encode_dss_signature(r, s))


@given(numbers, numbers, st.one_of(numbers, st.just(1)), messages)
def test_keys_made_for_a_sum_get_the_same_verdict(k: int, a: int, s: int, message: bytes) -> None:
    """The key is chosen last: for any sum, u1 * G + u2 * Q = k * G, and with any s.

    Where k is twice u1, both terms are the same point; where it is 0, they are opposite.
    """
    e = int.from_bytes(sha256(message)) % N
    u1 = e * pow(s, -1, N) % N
    for due in (k, 2 * u1 % N, (u1 + a) % N, N - u1):
        r = theirs(due).public_key().public_numbers().x % N
        d = (due - u1) * s * pow(r, -1, N) % N
        if d:
            assert both_accept(d, message, encode_dss_signature(r, s))


@given(st.integers(1, N - 1), numbers, messages)
def test_sums_at_infinity_are_refused_by_both(r: int, s: int, message: bytes) -> None:
    d = -int.from_bytes(sha256(message)) * pow(r, -1, N) % N
    assert not both_accept(d, message, encode_dss_signature(r, s))


@given(st.binary(max_size=80))
@example(b"")
def test_octets_of_no_meaning_are_refused_by_both(octets: bytes) -> None:
    assert not both_accept(7, b"message", octets)


@given(st.one_of(corners, st.integers(0, P - 1)), st.one_of(corners, st.integers(0, P - 1)))
@example(0, 46263761741508638697010950048709651021688891777877937875096931459006746039284)
def test_points_are_accepted_by_both_or_neither(x: int, y: int) -> None:
    encoded = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    try:
        expected = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, encoded) is not None
    except ValueError:
        expected = False
    try:
        seen = p256.from_point(encoded).point() == encoded
    except errors.UnsupportedKey:
        seen = False
    assert seen == expected


@given(numbers)
def test_key_files_are_those_of_openssl(d: int) -> None:
    der = theirs(d).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    assert p256_sign.PrivateKey(d).sec1() == der
    assert p256_sign.from_sec1(der).sec1() == der
    loaded = serialization.load_der_private_key(der, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    assert loaded.private_numbers().private_value == d
