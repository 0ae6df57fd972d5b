"""Settings of a node: only its own site's, for this node, and newer than those that it has."""

from checks import row
from sealcore import encode, sealwriter, settings
from specimens import HOME, NOW, SHOP, SITE_KEYS

VALUES = b'{"grace": 60}'
PARTS = ("label", "version", "site", "node", "time", "values", "rest")


def signed(body, key=HOME):
    """What a key has signed."""
    return sealwriter.signed(body, key.algorithm, key.sign(body))


def made(key=HOME, **changed):
    """Signed settings, of whose parts some are changed."""
    due = {
        "label": encode.text(settings.LABEL),
        "version": encode.integer(7),
        "site": encode.text("home"),
        "node": encode.text("kitchen"),
        "time": encode.integer(NOW),
        "values": encode.octets(VALUES),
        "rest": b"",
    }
    due.update(changed)
    return signed(encode.sequence(*[due[part] for part in PARTS]), key)


def read(der, had=6):
    return settings.read(der, SITE_KEYS, "home", "kitchen", had)


def test_what_the_site_signs_is_read():
    tbs = settings.tbs("home", "kitchen", 7, NOW, VALUES)
    assert read(signed(tbs, HOME)) == (7, NOW, VALUES)
    assert read(made(), 0) == (7, NOW, VALUES)
    most = b"{" + b" " * 4094 + b"}"
    assert read(signed(settings.tbs("home", "kitchen", 7, NOW, most), HOME))[2] == most


def test_what_is_refused():
    whole = made()
    for sentence, code, der in (
        ("a key that is no site key", "bad-signature", made(SHOP)),
        ("one changed bit at the end", "bad-signature", whole[:-1] + bytes((whole[-1] ^ 1,))),
        ("another site", "wrong-site", made(site=encode.text("work"))),
        ("another node", "wrong-node", made(node=encode.text("hall"))),
        ("no name of a node", "malformed-der", made(node=encode.text(""))),
        ("another label", "malformed-der", made(label=encode.text("triseal time v1"))),
        ("version 0", "malformed-der", made(version=encode.integer(0))),
        ("a version that is too large", "malformed-der", made(version=encode.integer(1 << 31))),
        ("a year above 9999", "malformed-der", made(time=encode.integer(253402300800))),
        ("no values", "malformed-der", made(values=encode.octets(b""))),
        ("more than 4 KiB", "malformed-der", made(values=encode.octets(bytes(4097)))),
        ("something behind", "malformed-der", made(rest=encode.integer(1))),
        ("nothing", "malformed-der", b""),
        ("something behind the signature", "malformed-der", whole + b"\x00"),
    ):
        row(sentence, code, read, der)
    for had in (7, 8, (1 << 31) - 1):
        row("an older version", "rollback", read, whole, had)


def test_every_truncation_is_refused():
    whole = made()
    for size in range(0, len(whole), 7):
        row("%d bytes" % size, "malformed-der", read, whole[:size])


def test_too_much_is_not_written():
    for values in (b"", b"{", bytes(4097)):
        row("%d bytes" % len(values), "too-large", settings.tbs, "home", "kitchen", 1, NOW, values)
