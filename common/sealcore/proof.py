"""The structure that a node signs to show, over a line without TLS, that it has its key.

Proof ::= SEQUENCE { label UTF8String ("triseal proof v1"), node UTF8String,
                     nonce OCTET STRING (SIZE(16)) }
"""

from . import encode

LABEL = "triseal proof v1"


def tbs(node: str, nonce: bytes) -> bytes:
    """Return the bytes to be signed.

    Args:
        node: the node's name.
        nonce: 16 bytes that the site has just drawn.
    """
    return encode.sequence(encode.text(LABEL), encode.text(node), encode.octets(nonce))
