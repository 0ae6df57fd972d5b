"""Makes a board a node: creates its key and its certificate request, and installs the site's
answer.

This is called over the USB line (`request`, then files are put into /triseal/incoming, then
`accept`) or by the network link. On a board with little memory no services may run meanwhile.
"""

import json
import os

from sealcore import errors
from sealcore.compat import const, sha256

from . import keystore, memory, recovery

_KEY = const("/node.key")
_REQUEST = const("/node.csr")
_CERTIFICATE = keystore.ROOT + "/node.crt"
_FILES = const(("node.key", "node.csr", "node.crt", "bundle.der", "settings.json"))


def request(node: str, extra: bytes = b"") -> None:
    """Print a certificate request (PKCS #10) in hexadecimal.

    Args:
        node: the name of the node.
        extra: random bytes from the computer, which are mixed into a new key.

    If the node has a key and keeps its name, the request is for that key. Otherwise it is for a new
    key, which replaces the old one when `accept` has seen a certificate for it. If no key has a
    certificate yet, the new key is stored in its final place at once, and survives a power cut.
    """
    print(make_request(node, extra).hex())
    memory.free()


def make_request(node: str, extra) -> bytes:
    """Return the request that `request` prints, as DER, and store it beside the key.

    If `extra` is None it is for a new key in any case.

    The node sends it again later to renew its certificate.
    """
    recovery.recover()
    place = keystore.INCOMING if extra is None else _current(node)
    known = keystore.read(place + _KEY)
    memory.free()
    random = None if known else _random(extra)
    memory.free()
    from sealcore import csr, p256_sign

    if known:
        key = p256_sign.from_sec1(known)
    else:
        key = p256_sign.generate(random)
        place = keystore.INCOMING if keystore.exists(_CERTIFICATE) else keystore.ROOT
        recovery.make(place)
        keystore.write(place + _KEY, key.sec1())
    made = csr.build(node, key.public_key().point(), key.sign)
    keystore.write(place + _REQUEST, made)
    return made


def _random(extra: bytes):
    """Collect entropy and return a function that reads random bytes. Raises WeakEntropy."""
    from sealcore import entropy

    from . import board

    extra = board.unique_id() + (extra or b"")
    seed = board.with_radio(lambda: entropy.collect(os.urandom, board.ticks, extra))
    return entropy.Stream(seed).read


def prove(node: str, nonce: bytes) -> bytes:
    """Sign a nonce with the node's key: see sealcore.proof."""
    memory.free()
    from sealcore import p256_sign, proof

    key = p256_sign.from_sec1(keystore.read(keystore.ROOT + _KEY))
    return key.sign(proof.tbs(node, nonce))


def renewed(link, certificate) -> None:
    """Take the node's next certificate from the site. Without one, the site wants another key.

    Args:
        link: the link.Link.
        certificate: DER, or nothing: the node makes a key, and asks for its certificate.
    """
    from sealcore import identity, messages

    from . import trust

    own = trust.load()
    if not certificate:
        made = make_request(own.node, None)
        # No other proof is for a name like this.
        link.send(messages.write(messages.ENROL, made, prove(own.node + "/", sha256(made)[:16])))
        return
    new = identity.parse(certificate)
    uri = identity.node(own.site, own.node)
    # The signature is checked at any time, so use a time at which the certificate has begun. A
    # valid signature also proves that it is at least that late.
    identity.check(new, own.site_keys, uri, max(link.node.clock.now(), new.not_before))
    link.node.clock.rise(new.not_before)
    if bytes(new.spki) == own.spki:
        keystore.write(_CERTIFICATE, certificate)
        trust.changed()
        return
    recovery.make(keystore.INCOMING)
    keystore.write(keystore.INCOMING + "/node.crt", certificate)
    accept()
    link.drop()  # the new key counts once the node has connected with it


def _current(node: str) -> str:
    """Return the folder of the key for this name: incoming for a new key, else the node's own
    folder.
    """
    if keystore.exists(keystore.INCOMING + _KEY) or _name() not in ("", node):
        return keystore.INCOMING
    return keystore.ROOT


def _name() -> str:
    """Return the name in the stored certificate; empty if there is none."""
    from sealcore import identity, names

    der = keystore.read(_CERTIFICATE)
    return names.common_name(identity.parse(der).subject) if der else ""


def accept() -> None:
    """Check the files in /triseal/incoming and make them the node's own: all of them or none.

    The files are node.crt, bundle.der and settings.json; a missing file leaves the old one as it
    is. A site key of the bundle must have signed the certificate, for this node's key. The bundle
    must be a valid successor of the stored one, if there is one: signed by the roots of both. The
    validity period is not checked here, but later, when the time is known. Raises SealError; then
    nothing has changed.
    """
    memory.load(memory.TRUST)
    memory.settle()
    from . import identify, trust

    recovery.recover()
    try:
        identify.read(keystore.INCOMING)
        _check_update(identify.file(keystore.INCOMING, "/bundle.der"))
        _use_up_token(identify.file(keystore.INCOMING, "/settings.json"))
    except errors.SealError:
        recovery.remove(keystore.INCOMING)
        raise
    for name in keystore.names(keystore.INCOMING):
        path = keystore.INCOMING + "/" + name
        # An entry that reads as empty was not checked. It may be the folder of a service that has
        # the name of one of these files.
        if name not in _FILES or not keystore.read(path, 0):
            recovery.remove(path)
    recovery.take()
    trust.changed()
    memory.free()


def _check_update(der: bytes) -> None:
    from sealcore import bundle

    current = keystore.read(keystore.ROOT + "/bundle.der")
    if current and current != der:
        bundle.parse(der).check_update(bundle.parse(current))


def _use_up_token(text: bytes) -> None:
    """Check the settings, and remove the one-time token: it is used up together with this step."""
    try:
        settings = json.loads(text or b"{}")
        if not isinstance(settings, dict):
            raise ValueError
    except ValueError:
        raise errors.BadMessage("settings.json")
    if settings.pop("token", None):
        keystore.write(keystore.INCOMING + "/settings.json", json.dumps(settings).encode())
