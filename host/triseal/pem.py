"""PEM, the text form of DER (RFC 7468), for mailing and pasting; no other module reads it."""

from __future__ import annotations

import base64
import binascii
import re

from triseal.errors import NotRecognised, SeveralInFile

CERTIFICATE = "CERTIFICATE"
REQUEST = "CERTIFICATE REQUEST"
PUBLIC_KEY = "PUBLIC KEY"
REPLACEMENT = "TRISEAL KEY REPLACEMENT"  # see `replacement`
STORE_KEYS = "TRISEAL STORE KEYS"  # see `storekeys`
NOTICES = "TRISEAL STORE NOTICES"  # see `notices`
PRIVATE_KEY = "PRIVATE KEY"
ENCRYPTED_KEY = "ENCRYPTED PRIVATE KEY"
# OpenSSL's older forms of an unencrypted private key.
OLD_KEYS = ("RSA PRIVATE KEY", "EC PRIVATE KEY")
# The largest file that holds one certificate, request or key, with text around it; bytes.
MAX_SIZE = 32768

# Older names that other tools write (RFC 7468 sections 5.1 and 7).
_ALIASES = {"X509 CERTIFICATE": CERTIFICATE, "NEW CERTIFICATE REQUEST": REQUEST}
_EDGE = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]{1,40})-----")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")  # DER has such bytes, text has none
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def encode(label: str, der: bytes) -> bytes:
    """Write one block of PEM.

    Args:
        label: its label, such as "CERTIFICATE".
        der: its contents.
    """
    body = base64.b64encode(der)
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    edges = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    return b"\n".join([edges[0], *lines, edges[1], b""])


def decode(data: bytes) -> tuple[str, bytes]:
    """Read a file that is PEM or DER and holds no private key.

    Args:
        data: text with one block of PEM, or DER. Other text around the block is ignored, and so is
            a byte order mark of UTF-8 at its beginning. A line of that text may not look like the
            edge of a block: other readers of PEM could see another block than this one.

    Returns: the label of the block ("" for DER), and the DER.

    Raises:
        NotRecognised: it holds a private key, or text without a complete block.
        SeveralInFile: it holds several blocks.
    """
    label, der = _single(data)
    if "PRIVATE KEY" in label:
        raise NotRecognised("a private key, which is never shown")
    return label, der


def expect(data: bytes, *labels: str) -> bytes:
    """Read a file that is PEM or DER, and holds one object of a certain kind.

    Args:
        data: as for `decode`.
        labels: the labels that a block of PEM may have.

    Returns: the DER. If the file is DER, the caller must check of which kind it is.

    Raises:
        NotRecognised, SeveralInFile: as `decode`; or the block has another label.
    """
    label, der = decode(data)
    if label and label not in labels:
        raise NotRecognised(f"it holds a {label}, not a {' or a '.join(labels)}")
    return der


def private_key(data: bytes) -> tuple[bool, bytes]:
    """Read a file with one private key.

    Args:
        data: PEM, as for `decode`.

    Returns: whether the key is encrypted, and the DER.

    Raises:
        NotRecognised: it does not hold a private key in PEM.
        SeveralInFile: it holds several blocks.
    """
    label, der = _single(data)
    if label not in (PRIVATE_KEY, ENCRYPTED_KEY, *OLD_KEYS):
        raise NotRecognised("no private key in PEM")
    return label == ENCRYPTED_KEY, der


def _single(data: bytes) -> tuple[str, bytes]:
    if data.startswith(_UTF_16):
        raise NotRecognised("text in UTF-16, which must be saved as UTF-8")
    text = data.removeprefix(_BOM)
    if _CONTROL.search(text):
        return "", data
    blocks = _blocks(text)
    if not blocks:
        raise NotRecognised("text without a block of PEM" if text.strip() else "an empty file")
    if len(blocks) > 1:
        names = ", ".join(label for label, _ in blocks[:4])
        raise SeveralInFile(f"{len(blocks)} blocks of PEM, not one ({names})")
    label, body = blocks[0]
    if not body:
        raise NotRecognised("PEM text with nothing between its BEGIN and END")
    try:
        return _ALIASES.get(label, label), base64.b64decode(body, validate=True)
    except binascii.Error:
        raise NotRecognised("damaged PEM text") from None


def _blocks(text: bytes) -> list[tuple[str, bytes]]:
    """Return label and base64 of each block; lines between blocks are ignored."""
    found: list[tuple[str, bytes]] = []
    label = b""
    body: list[bytes] = []
    for line in text.splitlines():
        edge = _EDGE.fullmatch(line.strip())
        if edge is None:
            if b"-----BEGIN" in line or b"-----END" in line:
                # OpenSSL cuts long lines, and would see the edge of a block here.
                raise NotRecognised("PEM text with a BEGIN or END within a line")
            body += line.split()
        elif edge[1] == b"BEGIN" and not label:
            label, body = edge[2], []
        elif edge[1] == b"END" and label == edge[2]:
            found.append((label.decode(), b"".join(body)))
            label = b""
        else:
            raise NotRecognised("PEM text whose BEGIN and END do not match")
    if label:
        raise NotRecognised("PEM text without its END")
    return found
