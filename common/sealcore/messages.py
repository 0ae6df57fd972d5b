"""The messages between a node and its site: one DER message in each frame.

    Frame   ::= length (4 bytes, big-endian) message
    Message ::= [kind] IMPLICIT SEQUENCE { fields }

    kind     from   fields
    HELLO    node   protocol version, node, nonce, version and mark of its trust bundle (`bundle`),
                    the node's time or 0, cause of its last reset,
                    held: (service, serial, state)
    WELCOME  site   signed time for that nonce, newer trust bundle or nothing
    ASSIGN   site   service, site seal, files: (name, size, SHA-256)
    REMOVE   site   services
    RENEW    node   the node's time or 0, held: (service, serial)
    RENEWED  site   not before, not after, deltas: (service, serial, signature)
    REFUSED  site   service (or the node that would enrol), code
    RENEWNOW site   services
    FETCH    node   SHA-256, offset, length
    CHUNK    site   SHA-256, offset, bytes
    REPORT   node   service, serial held, state, code, detail, how often it was started again,
                    evidence: seals
    ENROL    node   PKCS #10 request for the node's certificate, proof of a one-time token
                    (`onetime`) or nothing where a certificate names the node already. For another
                    key: `proof` of the present one, for the node's name with "/" behind it
    ENROLLED site   the node's certificate; nothing asks the node to make another key
    FOLLOW   site   1 to be sent the node's log, 0 no longer
    LOG      node   service, text
    ASK      site   (over a serial line) wants a STATUS; a nonce, which tells answers apart
    STATUS   node   nonce, node, time or 0, trust bundle version, free heap,
                    services: (name, state, code, detail, version, not after, how often it was
                    started again, grants)
    TIME     site   signed time for the nonce of ASK_TIME, or over a serial line of HELLO
    PROVE    site   (over a serial line) a nonce, for the node to sign; see `proof`
    PROOF    node   the signature
    ASK_TIME node   a nonce, the node's time or 0
    REJECTED node   (over a serial line) code, detail: why it does not do what it was just told
    RESTART  site   services to start again; the node reports each with the code `restart`
    FACTS    node   (after WELCOME) versions of its settings in force and of those that it gave up,
                    or 0, number of its .mpy files, free heap and flash in bytes, uptime in
                    seconds: board, version of MicroPython, port, version of the agent
    SETTINGS site   newer settings for this node, see `settings`
    DIFFER   node   (in place of FETCH) SHA-256, offset, package of which the node has the file of
                    this name: SHA-256 of its Store seal
    PIECES   site   (or CHUNK, where no pieces save anything) SHA-256, offset,
                    pieces: (bytes, offset and length of what to copy from the node's file behind
                    them)

A serial number stands for a seal; an empty one says that the node holds none. A whole new seal is
an ASSIGN, both for the first seal and for a renewal that changed more than a delta holds. The time
of a node is the one that it judges by, 0 until the site has told it: so the site learns how far the
clocks differ.
"""

from . import encode, errors
from .compat import const
from .der import Reader

PROTOCOL = const(3)
MAX_FRAME = const(8192)
MAX_CHUNK = const(2048)
MAX_COPY = const(16384)  # bytes that the pieces of one message copy
MAX_LIST = const(64)

HELLO = const(0)
WELCOME = const(1)
ASSIGN = const(2)
REMOVE = const(3)
RENEW = const(4)
RENEWED = const(5)
REFUSED = const(6)
RENEWNOW = const(7)
FETCH = const(8)
CHUNK = const(9)
REPORT = const(10)
ENROL = const(11)
ENROLLED = const(12)
FOLLOW = const(13)
LOG = const(14)
ASK = const(15)
STATUS = const(16)
TIME = const(17)
PROVE = const(18)
PROOF = const(19)
ASK_TIME = const(20)
REJECTED = const(21)
RESTART = const(22)
FACTS = const(23)
SETTINGS = const(24)
DIFFER = const(25)
PIECES = const(26)

# States of a service on a node.
STATES = (
    "installing",
    "waiting-for-time",
    "running",
    "stopped",
    "expired",
    "refused",
    "failed",
    "quarantined",
)

_KIND = const(0xA0)
_MAX_INT = const(0x7FFFFFFF)
_MAX_TIME = const(253402300799)  # 9999-12-31T23:59:59Z

# The fields of each kind, in the order of the kinds, a letter for each field. One text, because a
# tuple of so many takes three times as much of a board's heap.
#   n  name: text of 1..63 bytes     t  text of up to 512    c  code or version: text of up to 32
#   i  integer of up to 31 bits      w  Unix seconds         e  state: index into STATES
#   k  nonce: 16 bytes               s  serial: up to 16     h  SHA-256: 32 bytes
#   o  bytes, bounded by the frame   [..]  list of up to MAX_LIST records; last in its record
_FIELDS = const(
    "inkikwc[nse] "
    "oo "
    "no[nih] "
    "[n] "
    "w[ns] "
    "ww[nso] "
    "nc "
    "[n] "
    "hii "
    "hio "
    "nsecti[o] "
    "oo "
    "o "
    "i "
    "nt "
    "k "
    "knwii[nectcwi[t]] "
    "o "
    "k "
    "o "
    "kw "
    "ct "
    "[n] "
    "iiiiiw[t] "
    "o "
    "hio "
    "hi[oii]"
)


def write(kind: int, *values) -> bytes:
    """Return a message.

    Args:
        kind: one of the constants above.
        values: those of the table above, lists of tuples where it says so.

    Raises: TooLarge, BadMessage.
    """
    return encode.explicit(kind, *_write(_fields(kind), values))


def _write(fields: str, values) -> list:
    parts = []
    for i, value in enumerate(values):
        letter = fields[i]
        if letter == "[":
            inner = fields[i + 1 : -1]
            parts.append(
                encode.sequence(
                    *[
                        # A record, or one element of a list of plain values.
                        encode.sequence(*_write(inner, item))
                        if len(inner) > 1
                        else _write(inner, (item,))[0]
                        for item in value
                    ]
                )
            )
        elif letter in "ntc":
            parts.append(encode.text(value))
        elif letter in "iwe":
            parts.append(encode.integer(value))
        else:
            parts.append(encode.octets(value))
    return parts


def parse(message):
    """Return (kind, values) of a message. Values are str, int, bytes, lists of tuples or of plain
    values.

    The frame and the table above bound everything.

    Args:
        message: bytes.

    Raises: BadMessage or MalformedDER.
    """
    outer = Reader(message)
    tag = outer.peek()
    if not _KIND <= tag <= _KIND + PIECES or len(message) > MAX_FRAME:
        raise errors.BadMessage("kind or size")
    inner = outer.enter(tag)
    outer.end()
    return tag - _KIND, _read(_fields(tag - _KIND), inner)


def _fields(kind: int) -> str:
    return _FIELDS.split()[kind]


def _read(fields: str, reader) -> tuple:
    values: list = []
    for i, letter in enumerate(fields):
        if letter == "[":
            inner = fields[i + 1 : -1]
            listed = reader.enter()
            values.append([])
            while listed.peek() >= 0:
                if len(values[-1]) == MAX_LIST:
                    raise errors.BadMessage("list")
                if len(inner) > 1:
                    values[-1].append(_read(inner, listed.enter()))
                else:
                    values[-1].append(_read_value(inner, listed))
            break
        values.append(_read_value(letter, reader))
    reader.end()
    return tuple(values)


def _read_value(letter: str, reader):
    if letter in "ntc":
        most = 63 if letter == "n" else 512 if letter == "t" else 32
        return reader.text(letter == "n", most)
    if letter in "iwe":
        most = _MAX_INT if letter == "i" else _MAX_TIME if letter == "w" else len(STATES) - 1
        return reader.unsigned(0, most)
    least = 16 if letter == "k" else 32 if letter == "h" else 0
    return bytes(reader.octets(least, MAX_FRAME if letter == "o" else least or 16))


def frame(message: bytes) -> bytes:
    """Return `message` with its length in front, 4 bytes, big-endian."""
    if len(message) > MAX_FRAME:
        raise errors.BadMessage("size")
    return len(message).to_bytes(4, "big") + message


def frame_size(head) -> int:
    """Return how many bytes of the message follow a frame's first four bytes.

    Args:
        head: these four bytes.

    Raises: BadMessage.
    """
    size = int.from_bytes(head, "big")
    if not 2 <= size <= MAX_FRAME:
        raise errors.BadMessage("size")
    return size
