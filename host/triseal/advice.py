"""For people: what each refusal of `sealcore` means and what to do about it."""

from __future__ import annotations

_FILE = "Get the file again from where it came"
_ISSUE = "Ask whoever issued it for one by Triseal's profile"

# For each code a sentence and an advice.
REFUSALS: dict[str, tuple[str, str]] = {
    "malformed-der": ("the bytes are not strict DER, or not the structure that is due", _FILE),
    "unsupported-certificate": ("the certificate uses what no verifier here accepts", _ISSUE),
    "unsupported-key": (
        "the public key is neither RSA of 2048 to 4096 bit nor P-256",
        "Use a key of one of these kinds",
    ),
    "bad-signature": (
        "the signature does not verify with the key that should have made it",
        "Do not use it: it was changed, or signed by somebody else",
    ),
    "too-large": ("a bound on size or number is exceeded", "Make it smaller; see the profile"),
    "name-mismatch": (
        "the issuer's name is not the one that the certificate gives",
        "Give the certificate of the authority that issued it",
    ),
    "not-authority": ("the issuer may not issue certificates", "Give a CA certificate"),
    "unknown-critical-extension": ("a critical extension is not understood", _ISSUE),
    "expired": (
        "the time is past the end of validity",
        "Renew it, and check the clock of this computer",
    ),
    "not-yet-valid": (
        "the time is before the begin of validity",
        "Check the clocks of both computers",
    ),
    "profile-violation": ("it is not what Triseal's profile wants", _ISSUE),
    "untrusted-signer": (
        "nobody trusted here has this signer's name and key",
        "Have its signer registered and approved (or trusted by the site) first",
    ),
    "wrong-site": ("it is for another site", "Ask the right site for it"),
    "wrong-node": ("it is for another node", "Deploy it to the node that it names"),
    "wrong-service": ("it is for another service", "Check the service's name"),
    "wrong-key": (
        "the seal's key is not this node's key",
        "Provision the node again if it has a new key",
    ),
    "predecessor-mismatch": (
        "a seal does not build on the seal that lies before it",
        "Put together what belongs together: take the package whole from the Store",
    ),
    "seal-mismatch": (
        "two seals of one service say different things",
        "Do not use it, and keep both seals: `triseal evidence make`",
    ),
    "rollback": (
        "it is older than, or as old as, what was accepted before",
        "Raise the version, and the security version where it went down",
    ),
    "metadata-mismatch": ("the metadata is not what the seals pin", _FILE),
    "hash-mismatch": ("the executable is not what the seals pin", _FILE),
    "bad-grant": (
        "a grant is not written as grants are",
        "Write bus.publish:TOPIC, bus.subscribe:TOPIC, pin:NUMBER, config:KEY or log",
    ),
    "not-granted": (
        "the service used what no grant gives it",
        "Grant it with `triseal site grant`, if the service should have it",
    ),
    "no-trusted-time": (
        "the node does not know the time well enough to decide",
        "Connect it to its site once",
    ),
    "bad-message": (
        "a message is not of the protocol, or out of order",
        "Check that both ends have the same release of Triseal",
    ),
}
