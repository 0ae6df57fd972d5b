"""Makes a board a node: its key, its request for a certificate, and what the site answers.

Called over the USB line (`request`, then files put into /triseal/incoming, then `accept`) or by the
network link; not while services run on a board with little memory.
"""

import json
import os

from sealcore import errors
from sealcore.compat import const

from . import keystore, memory, recovery

_KEY = const("/node.key")
_REQUEST = const("/node.csr")
_CERTIFICATE = keystore.ROOT + "/node.crt"
_FILES = const(("node.key", "node.csr", "node.crt", "bundle.der", "settings.json"))


def request(node: str, extra: bytes = b"") -> None:
    """Print a certificate request (PKCS #10) in hexadecimal.

    Args:
        node: its name.
        extra: random bytes of the computer's: a new key is made of them, too.

    The key is the node's own, if it has one and keeps its name; else a new one, which takes the old
    one's place once `accept` has seen a certificate for it. Where no key has a certificate yet it
    is in its place at once, and survives a power cut.
    """
    print(make_request(node, extra).hex())
    memory.free()


def make_request(node: str, extra: bytes) -> bytes:
    """The same, DER. It is kept beside the key: the certificate is renewed by it."""
    recovery.recover()
    place = _current(node)
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
    """A random source. Raises WeakEntropy."""
    from sealcore import entropy

    from . import board

    extra = board.unique_id() + extra
    seed = board.with_radio(lambda: entropy.collect(os.urandom, board.ticks, extra))
    return entropy.Stream(seed).read


def prove(node: str, nonce: bytes) -> bytes:
    """Sign a nonce with the node's key: see sealcore.proof."""
    memory.free()
    from sealcore import p256_sign, proof

    key = p256_sign.from_sec1(keystore.read(keystore.ROOT + _KEY))
    return key.sign(proof.tbs(node, nonce))


def _current(node: str) -> str:
    """The folder of the key for this name: one that was just made, or the node's."""
    if keystore.exists(keystore.INCOMING + _KEY) or _name() not in ("", node):
        return keystore.INCOMING
    return keystore.ROOT


def _name() -> str:
    """The name in the certificate at hand; empty if there is none."""
    from sealcore import identity, names

    der = keystore.read(_CERTIFICATE)
    return names.common_name(identity.parse(der).subject) if der else ""


def accept() -> None:
    """Check what lies in /triseal/incoming and make it the node's own, all of it or nothing.

    Files: node.crt, bundle.der, settings.json; what is missing stays as it is. The certificate is
    for this node's key, by a site key of the bundle; the bundle follows the one at hand, if any.
    Validity is checked by who has the time. Raises SealError; then nothing has changed.
    """
    memory.load(memory.TRUST)
    memory.settle()
    from . import identify, trust

    recovery.recover()
    try:
        identify.read(keystore.INCOMING)
        _check_update(identify.file(keystore.INCOMING, "bundle.der"))
        _use_up_token(identify.file(keystore.INCOMING, "settings.json"))
    except errors.SealError:
        recovery.remove(keystore.INCOMING)
        raise
    for name in keystore.names(keystore.INCOMING):
        path = keystore.INCOMING + "/" + name
        # What reads as nothing was not what was checked. It may be the folder of a service that is
        # called as one of these files.
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
    """Check the settings; a one-time token leaves them together with what it has served for."""
    try:
        settings = json.loads(text or b"{}")
        if not isinstance(settings, dict):
            raise ValueError
    except ValueError:
        raise errors.BadMessage("settings.json")
    if settings.pop("token", None):
        keystore.write(keystore.INCOMING + "/settings.json", json.dumps(settings).encode())
