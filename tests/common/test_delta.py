"""Renewal by delta on both interpreters: what comes out, byte by byte."""

import checks
from sealcore import delta, encode, limits, timetext

OLD_SERIAL = bytes(range(1, 17))
NEW_SERIAL = bytes(range(17, 33))
ISSUER = encode.sequence(encode.text("issuer"))
REST = encode.sequence(encode.text("subject")) + encode.sequence(encode.octets(bytes(300)))


def certificate(serial, begin, end, signature):
    """The frame of a certificate, as far as a delta looks into it."""
    tbs = encode.sequence(
        encode.explicit(0, encode.integer(2)),
        encode.element(limits.INTEGER, serial),
        limits.RSA_SHA256,
        ISSUER,
        encode.sequence(timetext.der(begin), timetext.der(end)),
        REST,
    )
    return encode.sequence(tbs, limits.RSA_SHA256, encode.bits(signature))


def test_serial_times_and_signature_are_new():
    old = certificate(OLD_SERIAL, 1795363200, 1795368200, bytes(256))
    new = certificate(NEW_SERIAL, 1795366000, 1795371000, b"\x55" * 256)
    for copy in (old, bytearray(old), memoryview(old)):
        made = delta.apply(copy, NEW_SERIAL, 1795366000, 1795371000, b"\x55" * 256)
        assert made == new


def test_over_the_end_of_utc_time_the_lengths_change():
    old = certificate(OLD_SERIAL, 2524607000, 2524607900, bytes(70))
    new = certificate(NEW_SERIAL, 2524607900, 2524608900, bytes(72))
    assert delta.apply(old, NEW_SERIAL, 2524607900, 2524608900, bytes(72)) == new


def test_what_is_refused():
    good = certificate(OLD_SERIAL, 0, 1, bytes(70))
    for sentence, seal, serial, code in (
        ("a serial of 15 bytes", good, bytes(15), "bad-message"),
        ("no seal at all", b"", NEW_SERIAL, "malformed-der"),
        ("a seal that was cut", good[:-1], NEW_SERIAL, "malformed-der"),
        ("a seal with more behind it", good + b"\x00", NEW_SERIAL, "malformed-der"),
        ("a sequence of nothing", b"\x30\x00", NEW_SERIAL, "malformed-der"),
    ):
        checks.row(sentence, code, delta.apply, seal, serial, 0, 1, bytes(70))


def test_a_time_that_no_certificate_holds():
    good = certificate(OLD_SERIAL, 0, 1, bytes(70))
    checks.raises(ValueError, delta.apply, good, NEW_SERIAL, 0, 300000000000, bytes(70))
