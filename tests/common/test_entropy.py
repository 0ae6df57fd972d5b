"""Keys come of many reads of a source that was tested, and of more than that source."""

import os

from checks import row
from sealcore import entropy, errors, p256_sign
from sealcore.compat import sha256


class Good:
    """As from a generator with a seed, so that a test is the same each time."""

    def __init__(self, seed=b"seed"):
        self.state = seed
        self.reads = 0

    def __call__(self, count):
        self.state = sha256(self.state)
        self.reads += 1
        return self.state[:count]


class Changed:
    """A good source, of which a function makes another one."""

    def __init__(self, change):
        self.good = Good()
        self.change = change

    def __call__(self, count):
        at = self.good.reads * 32
        block = self.good(count)
        return bytes(self.change(at + i, block[i]) for i in range(count))


def still():
    return 7


WEAK = (
    ("constant", lambda count: b"\xff" * count),
    ("zero", bytes),
    ("nothing", lambda count: b""),
    ("short", lambda count: os.urandom(count - 1)),
    ("alternating bytes", Changed(lambda i, _: 255 * (i & 1))),
    ("alternating reads", Changed(lambda i, _: 255 * (i >> 5 & 1))),
    ("four values", Changed(lambda i, b: b & 0x11)),
    ("eight values", Changed(lambda i, b: b & 0x15)),
    ("half of all bytes the same", Changed(lambda i, b: b if b & 1 else 0)),
    ("each read the same", lambda count: bytes(range(count))),
    ("stuck after a while", Changed(lambda i, b: b if i < 2000 else 9)),
    ("stuck for a while", Changed(lambda i, b: b if i < 600 or i > 605 else 9)),
    ("one read twice", Changed(lambda i, b: b if i // 32 not in (40, 41) else i % 32)),
)


def test_a_weak_source_is_refused():
    for sentence, source in WEAK:
        row(sentence, "weak-entropy", entropy.collect, source, still, b"extra")


def test_a_good_source_is_read_often():
    source = Good()
    assert len(entropy.collect(source, still, b"")) == 32
    assert source.reads >= 64


def test_good_sources_are_not_refused():
    # A false alarm has a chance of 2^-20 a test, at 4 bits in a byte; here there are 8, and 5.
    for number in range(20):
        entropy.collect(Good(b"%d" % number), still, b"")
    entropy.collect(Changed(lambda i, b: b & 0x9D), still, b"")
    for _ in range(3):
        entropy.collect(os.urandom, still, b"")


def test_each_part_counts():
    ticks = iter(range(1, 1000))
    seeds = [
        entropy.collect(Good(), still, b"extra"),
        entropy.collect(Good(b"other"), still, b"extra"),
        entropy.collect(Good(), lambda: next(ticks), b"extra"),
        entropy.collect(Good(), still, b"other"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert entropy.collect(Good(), still, b"extra") == seeds[0]


def test_every_read_counts():
    seed = entropy.collect(Good(), still, b"")
    for at in (0, 33, 1000, 2046, 2047):
        bit = Changed(lambda i, b, at=at: b ^ (i == at))
        assert entropy.collect(bit, still, b"") != seed, at


def test_a_stream_says_nothing_twice():
    stream = entropy.Stream(bytes(32))
    said = [stream.read(32) for _ in range(20)]
    assert len(set(said)) == 20
    assert bytes(32) not in said
    assert entropy.Stream(bytes(32)).read(16) == said[0][:16]


def test_a_key_is_made_of_it():
    stream = entropy.Stream(entropy.collect(os.urandom, still, b""))
    key = p256_sign.generate(stream.read)
    key.public_key().verify(b"hello", key.sign(b"hello"))


def test_the_refusal_has_its_code():
    assert errors.WeakEntropy.code == "weak-entropy"
