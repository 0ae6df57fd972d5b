"""PEM, the text form of DER (RFC 7468), for mailing and pasting."""

from __future__ import annotations

import base64
import binascii
import re

from triseal.errors import NotRecognised

CERTIFICATE = "CERTIFICATE"
REQUEST = "CERTIFICATE REQUEST"

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----")


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
    """Read a file that is PEM or DER.

    Args:
        data: PEM text of one block, or DER.

    Returns: the label of the block ("" for DER), and the DER.

    Raises:
        NotRecognised: it holds a private key, several blocks, or text that is not PEM.
    """
    if not data.lstrip().startswith(b"-----BEGIN "):
        return "", data
    blocks = _BLOCK.findall(data)
    if len(blocks) != 1 or data.count(b"-----BEGIN ") != 1:
        raise NotRecognised("not one complete block of PEM text")
    label = blocks[0][0].decode()
    if "PRIVATE KEY" in label:
        raise NotRecognised("a private key, which is never shown")
    try:
        return label, base64.b64decode(b"".join(blocks[0][1].split()), validate=True)
    except binascii.Error:
        raise NotRecognised("damaged PEM text") from None
