"""Text around DER (RFC 7468): what people mail and paste."""

from __future__ import annotations

import base64
import binascii
import re

from triseal.errors import NotRecognised

CERTIFICATE = "CERTIFICATE"
REQUEST = "CERTIFICATE REQUEST"

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----")


def encode(label: str, der: bytes) -> bytes:
    """One block of text."""
    body = base64.b64encode(der)
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    edges = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    return b"\n".join([edges[0], *lines, edges[1], b""])


def decode(data: bytes) -> tuple[str, bytes]:
    """What a file holds, in whichever of the two forms it is.

    Args:
        data: PEM text of one block, or DER.

    Returns: the label of the text ("" for DER), and the DER.

    Raises:
        NotRecognised: a private key, more than one block, or text that is no PEM.
    """
    if not data.lstrip().startswith(b"-----BEGIN "):
        return "", data
    blocks = _BLOCK.findall(data)
    if len(blocks) != 1 or data.count(b"-----BEGIN ") != 1:
        raise NotRecognised("not one whole block of PEM text")
    label = blocks[0][0].decode()
    if "PRIVATE KEY" in label:
        raise NotRecognised("a private key, which is never shown")
    try:
        return label, base64.b64decode(b"".join(blocks[0][1].split()), validate=True)
    except binascii.Error:
        raise NotRecognised("damaged PEM text") from None
