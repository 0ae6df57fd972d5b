"""What a node signs on a line without TLS: written by hand, and never the same for two of them."""

from sealcore import proof

NONCE = bytes(range(16))


def test_it_is_this_der():
    due = b"0\x2b\x0c\x10triseal proof v1\x0c\x05hall1\x04\x10" + NONCE
    assert proof.tbs("hall1", NONCE) == due


def test_no_two_nodes_or_nonces_sign_the_same():
    seen = []
    for node, nonce in (("a", NONCE), ("b", NONCE), ("a", bytes(16)), ("ab", NONCE)):
        made = proof.tbs(node, nonce)
        assert made not in seen, (node, nonce)
        seen.append(made)
