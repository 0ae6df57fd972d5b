"""One-time tokens: a proof holds for one request of who has the token, and for nothing else."""

from checks import row
from sealcore import onetime, p256_sign
from sealcore.compat import sha256

TOKEN = bytes(range(16))
OTHER = bytes(range(1, 17))
REQUEST = b"0\x03request"


def test_a_proof_holds_for_its_request():
    point = onetime.key(TOKEN).public_key().point()
    for request in (REQUEST, b"", bytes(1000)):
        onetime.check(point, request, onetime.prove(TOKEN, request))


def test_it_is_the_same_each_time_and_holds_no_token():
    proof = onetime.prove(TOKEN, REQUEST)
    assert proof == onetime.prove(TOKEN, REQUEST)
    assert TOKEN not in proof


def test_what_proves_nothing():
    key = onetime.key(TOKEN)
    point = key.public_key().point()
    proof = onetime.prove(TOKEN, REQUEST)
    bare = p256_sign.PrivateKey(int.from_bytes(sha256(TOKEN), "big"))
    for sentence, claimed, made in (
        ("a proof for another request", REQUEST + b"\x00", proof),
        ("one of another token", REQUEST, onetime.prove(OTHER, REQUEST)),
        ("one whose last bit differs", REQUEST, proof[:-1] + bytes((proof[-1] ^ 1,))),
        ("nothing", REQUEST, b""),
        ("the token itself", REQUEST, TOKEN),
        ("the token's key, of the request without its label", REQUEST, key.sign(REQUEST)),
        ("a key of the token without its label", REQUEST, bare.sign(b"triseal enrol v1" + REQUEST)),
    ):
        row(sentence, "bad-signature", onetime.check, point, claimed, made)


def test_what_is_no_token():
    for sentence, token in (
        ("none", b""),
        ("one that is too short", TOKEN[1:]),
        ("one that is too long", TOKEN + b"\x00"),
        ("its hexadecimal form", b"000102030405060708090a0b0c0d0e0f"),
    ):
        row(sentence, "unsupported-key", onetime.prove, token, REQUEST)
    row("no point", "unsupported-key", onetime.check, bytes(65), REQUEST, b"")
