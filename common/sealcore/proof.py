"""What a node signs to show, over a line without TLS, that it has its key.

Proof ::= SEQUENCE { label UTF8String ("triseal proof v1"), node UTF8String,
                     nonce OCTET STRING (SIZE(16)) }
"""

from . import encode

LABEL = "triseal proof v1"


def tbs(node: str, nonce: bytes) -> bytes:
    """What is signed: the node's name, and the nonce that the site has just drawn."""
    return encode.sequence(encode.text(LABEL), encode.text(node), encode.octets(nonce))
