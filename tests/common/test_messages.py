"""Messages between node and site: what is written is read back, and nothing else is read."""

from checks import raises
from sealcore import encode, errors, messages

NONCE = bytes(range(16))
HASH = bytes(32)
SAMPLES = (
    (
        messages.HELLO,
        3,
        "kitchen-1",
        NONCE,
        7,
        NONCE,
        1795363200,
        "power-on",
        [("thermo", NONCE, 2), ("lamp", b"", 0)],
    ),
    (messages.WELCOME, b"time", b""),
    (messages.ASSIGN, "thermo", b"seal", [("app.mpy", 100000, HASH)]),
    (messages.REMOVE, ["thermo", "lamp"]),
    (messages.RENEW, 0, [("thermo", NONCE)]),
    (messages.RENEWED, 1795363200, 1795368200, [("thermo", NONCE, b"\x01" * 256)]),
    (messages.REFUSED, "thermo", "not-granted"),
    (messages.RENEWNOW, []),
    (messages.FETCH, HASH, 2048, 2048),
    (messages.CHUNK, HASH, 0, b"x" * 2048),
    (messages.REPORT, "thermo", NONCE, 5, "hash-mismatch", "", 0, [b"a", b"b"]),
    (messages.ENROL, b"request", b""),
    (messages.ENROLLED, b"certificate"),
    (messages.FOLLOW, 1),
    (messages.LOG, "thermo", "21.5 °C"),
    (messages.ASK, NONCE),
    (
        messages.STATUS,
        NONCE,
        "kitchen-1",
        1795363200,
        7,
        20000,
        [("thermo", 2, "", "", "1.2.0", 1795368200, 0, ["log", "pin:4"])],
    ),
    (messages.TIME, b"time"),
    (messages.PROVE, NONCE),
    (messages.PROOF, b"signature"),
    (messages.ASK_TIME, NONCE, 1795363200),
    (messages.REJECTED, "rollback", "time 5, had 9"),
    (messages.RESTART, ["thermo"]),
    (messages.FACTS, 3, 0, 9734, 20000, 1000000, 86400, ["ESP32C3 module", "1.28.0", "", ""]),
    (messages.SETTINGS, b"settings"),
    (messages.DIFFER, HASH, 2048, HASH),
    (messages.PIECES, HASH, 2048, [(b"x" * 20, 0, 16384), (b"", 70000, 9)]),
)


def test_every_kind_is_read_back():
    assert len(SAMPLES) == 27
    for kind, *values in SAMPLES:
        assert messages.parse(messages.write(kind, *values)) == (kind, tuple(values))


def test_every_truncation_is_refused():
    for kind, *values in SAMPLES:
        message = messages.write(kind, *values)
        for size in range(0, len(message), 1 + len(message) // 40):
            try:
                messages.parse(message[:size])
            except errors.SealError:
                continue
            raise AssertionError((kind, size))


def test_trailing_octets_are_refused():
    for kind, *values in SAMPLES:
        raises("malformed-der", messages.parse, messages.write(kind, *values) + b"\x00")
        inside = messages.write(kind, *values)
        longer = encode.element(
            inside[0], *messages._write(messages._fields(kind), values), b"\x05\x00"
        )
        raises("malformed-der", messages.parse, longer)


def test_what_is_no_message_is_refused():
    rows = (
        ("nothing at all", b"", "bad-message"),
        ("a kind that does not exist", encode.explicit(messages.PIECES + 1), "bad-message"),
        ("another tag", encode.sequence(), "bad-message"),
        ("a message without its fields", encode.explicit(messages.ASK), "malformed-der"),
        ("a nonce that is too short", messages.write(messages.ASK, NONCE[:15]), "malformed-der"),
        (
            "a serial that is too long",
            messages.write(messages.RENEW, 0, [("a", bytes(17))]),
            "malformed-der",
        ),
        ("a name that is empty", messages.write(messages.REMOVE, [""]), "malformed-der"),
        ("a name that is too long", messages.write(messages.REMOVE, ["a" * 64]), "malformed-der"),
        ("a list that is too long", messages.write(messages.REMOVE, ["a"] * 65), "bad-message"),
        (
            "a state that does not exist",
            messages.write(messages.REPORT, "a", b"", len(messages.STATES), "", "", 0, []),
            "malformed-der",
        ),
        ("an integer that is too large", messages.write(messages.FOLLOW, 1 << 31), "malformed-der"),
        (
            "a message larger than a frame",
            messages.write(messages.TIME, bytes(8192)),
            "bad-message",
        ),
    )
    for sentence, message, code in rows:
        assert raises(code, messages.parse, message), sentence


def test_frames_are_bounded():
    assert messages.frame(b"ab") == b"\x00\x00\x00\x02ab"
    assert messages.frame_size(b"\x00\x00\x20\x00") == 8192
    raises("bad-message", messages.frame, bytes(8193))
    for head in (b"\x00\x00\x00\x01", b"\x00\x00\x20\x01", b"\xff\xff\xff\xff", b"GET "):
        raises("bad-message", messages.frame_size, head)
