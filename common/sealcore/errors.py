"""Every refusal of Triseal: one root, flat leaves, each with a stable `code`.

    of encoding and cryptography
MalformedDER              the bytes are not strict DER, or not the structure that is due
UnsupportedCertificate    well-formed, but uses what this verifier does not accept
UnsupportedKey            a public key of another kind or size, or no valid key at all
BadSignature              the signature does not verify with the key that should have made it
TooLarge                  a size bound is exceeded
    of a certificate under its issuer (RFC 5280 section 6)
NameMismatch              the issuer's name is not the one that the certificate gives
NotAuthority              the issuer is no CA, or its key may not sign certificates
UnknownCriticalExtension  a critical extension is not understood
Expired                   the time is past the end of validity
NotYetValid               the time is before the begin of validity
    of the chain of custody
ProfileViolation          valid X.509, but not what Triseal's profile wants
UntrustedSigner           the trust bundle names no key for this signer
UntrustedKind             the trust bundle does not let the developer's key sign this kind
WrongSite                 the seal is for another site
WrongNode                 the seal is for another node
WrongService              the seal is for another service
WrongKind                 the seal, the metadata and the place do not name the same kind
WrongKey                  the seal's key is not this node's key
PredecessorMismatch       a seal does not build on the seal that lies before it
SealMismatch              two seals of one service say different things
Rollback                  a version, a bundle or a time is older than one already accepted
MetadataMismatch          the metadata is not what the seals pin
HashMismatch              the executable is not what the seals pin
Unloadable                the executable is nothing that MicroPython can load
    of a node
BadGrant                  a grant is not written as grants are
NotGranted                the service used what no grant gives it
TooFast                   the service says more than a node carries
MissingModule             the service needs a module that the board does not have
TooLittleHeap             the service needs more heap than the board has left
WeakEntropy               the board's random numbers are too poor to make a key of
NotEnrolled               the node has no certificate of its site yet
FellBack                  the new agent was not confirmed in its trial
UnsupportedBoard          the board can't take an agent over the link
NoTrustedTime             the node does not know the time well enough to decide
BadMessage                a message or its frame is not of the protocol, or out of order

The code is the name in lower case with hyphens: `BadSignature.code == "bad-signature"`. Programs,
reports and logs rely on it. An argument, if any, says what was seen and never holds key material.

A leaf is made when it is first asked for: all of them would take 8 KiB of a board's heap, for
errors that hardly ever rise. A test holds the names that the code asks for against this table.
"""


class SealError(Exception):
    """Root of every refusal."""

    code = ""


def __getattr__(name: str) -> "type[SealError]":
    if name[0] == "_":
        raise AttributeError(name)
    code = ""
    for letter in name:
        if code[-1:].islower() and letter.isupper():
            code += "-"
        code += letter
    leaf = type(name, (SealError,), {"code": code.lower()})
    globals()[name] = leaf
    return leaf
