"""Keys, certificates and seals for the tables of both interpreters, built from the bytes up.

Every part of a certificate can be given as the bytes that shall stand there, and what comes out is
signed: so a row is wrong in the one way that its sentence says.
"""

from sealcore import eckeys, encode, limits, p256_sign, sealwriter, timetext
from sealcore.compat import sha256
from sealcore.p256_curve import invert

NOW = 1795363200  # 2026-11-22T16:00:00Z
BEGIN = NOW - 100
END = NOW + 4900
SERIAL = 1 << 120

# Primes near a power of two, that nobody would take for a key. The numbers below both are no
# multiples of 3 or 65537.
_P = (1 << 1024) - 179
_Q = (1 << 1024) - 1397

_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


def encoded_message(message, size):
    """The encoded message as RFC 8017 section 9.2 has it, in `size` bytes."""
    info = _DIGEST_INFO + sha256(message)
    return b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info


class Rsa:
    """An RSA key of 2048 bits that signs."""

    algorithm = limits.RSA_SHA256

    def __init__(self, e=65537, p=_P, q=_Q):
        self.n = p * q
        self.e = e
        self.d = invert(e, (p - 1) * (q - 1))
        self.size = 256
        self.spki = rsa_spki(encode.integer(self.n), encode.integer(e))

    def raise_to_d(self, block):
        """The private operation on an encoded message, whatever it is."""
        number = pow(int.from_bytes(block, "big"), self.d, self.n)
        return number.to_bytes(self.size, "big")

    def sign(self, message):
        return self.raise_to_d(encoded_message(message, self.size))


class Ec:
    """A P-256 key that signs."""

    algorithm = eckeys.ECDSA_SHA256

    def __init__(self, d):
        self.key = p256_sign.PrivateKey(d)
        self.spki = ec_spki(self.key.public_key().point())

    def sign(self, message):
        return self.key.sign(message)


def rsa_spki(*numbers):
    """SubjectPublicKeyInfo of RSA; `numbers` are DER."""
    algorithm = encode.sequence(encode.oid(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), b"\x05\x00")
    return encode.sequence(algorithm, encode.bits(encode.sequence(*numbers)))


def ec_spki(point):
    return encode.sequence(eckeys.EC_KEY, encode.bits(point))


ADA = Ec(1000001)
SHOP = Ec(1000003)
HOME = Ec(1000033)
NODE = Ec(1000037)
ROOT = Ec(1000039)


def name(text):
    return sealwriter.name(text)


def validity(begin=BEGIN, end=END):
    return encode.sequence(timetext.der(begin), timetext.der(end))


def extension(kind, value, critical=b""):
    return encode.sequence(encode.oid(kind), critical, encode.octets(value))


def listed(*extensions):
    """The [3] of a certificate that holds these extensions."""
    return encode.explicit(3, encode.sequence(*extensions))


CRITICAL = b"\x01\x01\xff"
V3 = b"\xa0\x03\x02\x01\x02"
KEY_USAGE = b"\x55\x1d\x0f"
BASIC_CONSTRAINTS = b"\x55\x1d\x13"
AUTHORITY = listed(
    extension(BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\xff", CRITICAL),
    extension(KEY_USAGE, b"\x03\x02\x02\x04", CRITICAL),
)


def tbs(parts):
    """The signed part of a certificate.

    `parts` may give, as DER, what shall stand in place of: version, serial, inner, issuer,
    validity, subject, spki, rest.
    """
    due = {
        "version": V3,
        "serial": encode.integer(SERIAL),
        "inner": ADA.algorithm,
        "issuer": name("Ada"),
        "validity": validity(),
        "subject": name("thermo"),
        "spki": ADA.spki,
        "rest": b"",
    }
    assert not set(parts) - set(due), parts
    due.update(parts)
    order = "version serial inner issuer validity subject spki rest"
    return encode.sequence(*[due[part] for part in order.split()])


def certificate(signer=ADA, **parts):
    """A certificate, DER; beside the parts of `tbs`: outer, the algorithm outside."""
    outer = parts.pop("outer", signer.algorithm)
    parts.setdefault("inner", signer.algorithm)
    body = tbs(parts)
    return encode.sequence(body, outer, encode.bits(signer.sign(body)))


# --- Seals -----------------------------------------------------------------------------------

EXECUTABLE = bytes(range(256)) * 5
METADATA = b'{"entry":"app.py"}'
GRANTS = ("bus.publish:home/#", "log")
URI = "spiffe://home/node/kitchen-1/service/thermo"

USAGE = extension(KEY_USAGE, b"\x03\x02\x07\x80", CRITICAL)
NO_CA = extension(BASIC_CONSTRAINTS, b"\x30\x00", CRITICAL)
CODE = extension(b"\x55\x1d\x25", b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03")
NO_REV = extension(b"\x55\x1d\x38", b"\x05\x00")
KEY_ID = extension(b"\x55\x1d\x23", b"\x30\x16\x80\x14" + bytes(20))


def uri_names(uri=URI):
    return extension(limits.SUBJECT_ALT_NAME, sealwriter.uri_name(uri))


def core(executable=EXECUTABLE, metadata=METADATA, version="1.0.0", security=3, size=None):
    count = len(executable) if size is None else size
    return sealwriter.core(sha256(executable), count, sha256(metadata), version, security)


def service(value):
    return extension(limits.SERVICE_SEAL, value)


def code_list(value):
    """The extensions of a developer or Store seal around a ServiceSeal."""
    return listed(USAGE, CODE, NO_CA, KEY_ID, service(value))


def site_list(value, uri=URI):
    return listed(
        USAGE, limits.TLS_BOTH_SIDES, NO_CA, KEY_ID, uri_names(uri), NO_REV, service(value)
    )


def developer_seal(signer=ADA, value=None, **parts):
    if value is None:
        value = sealwriter.service_seal(core())
    due = {"spki": signer.spki, "rest": code_list(value)}
    due.update(parts)
    return certificate(signer, **due)


def store_seal(before, signer=SHOP, value=None, **parts):
    """A Store seal upon the developer seal `before`."""
    if value is None:
        value = sealwriter.service_seal(core(), sha256(before))
    due = {"issuer": name("Shop"), "spki": ADA.spki, "rest": code_list(value)}
    due.update(parts)
    return certificate(signer, **due)


def site_seal(before, signer=HOME, value=None, uri=URI, **parts):
    """A site seal upon the Store seal `before`."""
    if value is None:
        value = sealwriter.service_seal(core(), sha256(before), GRANTS)
    due = {"issuer": name("home CA"), "spki": NODE.spki, "rest": site_list(value, uri)}
    due.update(parts)
    return certificate(signer, **due)


# --- Trust bundles ---------------------------------------------------------------------------

SITE_KEYS = [(name("home CA"), HOME.spki)]
STORE_KEYS = [(name("Shop"), SHOP.spki)]
DEVELOPERS = [(name("Ada"), ADA.spki)]


def hashed(entries, kinds=limits.SERVICE):
    return [(sealwriter.entry_hash(*entry), kinds) for entry in entries]


def bundle_tbs(
    version=1,
    site="home",
    developers=DEVELOPERS,
    roots=(1, (ROOT.spki,)),
    kinds=limits.SERVICE,
):
    keys = SITE_KEYS, STORE_KEYS, hashed(developers, kinds)
    return sealwriter.bundle_tbs(version, site, NOW, roots, *keys)


def signature(body, signer):
    return sha256(signer.spki), signer.algorithm, signer.sign(body)


def signed(body, *signers):
    """A trust bundle, signed by these; by ROOT if none is given."""
    return sealwriter.signed_bundle(body, [signature(body, one) for one in signers or [ROOT]])


def patched(data, old, new):
    """`data` with the one place where `old` stands changed to `new`."""
    data = bytes(data)
    assert data.count(old) == 1, (old, data.count(old))
    return data.replace(old, new)
