"""A `Signer` whose key stays on a PKCS #11 token: a smart card, a USB token or an HSM.

One session serves many signatures. A token that is pulled out stops signing with one clear error;
when it is back, the next signature logs in again with the PIN that was given at the start. A PIN
that the token refuses is never tried a second time, since each try brings the token nearer to
locking itself. (PKCS #11 v2.40; the driver is the package `python-pkcs11`.)
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealcore import eckeys, errors, keys, limits
from triseal import openssl, passphrases
from triseal.errors import (
    Failure,
    NotAKey,
    TokenMissing,
    WrongPassphrase,
)
from triseal.keyuri import TokenKey

MODULE_VARIABLE = "TRISEAL_PKCS11_MODULE"
PAUSE: Final = 1.0  # seconds between two tries to reach a token that is away

_P11_KIT = "p11-kit-proxy.so"  # it offers all modules that are configured on the computer
_ID_BYTES = 8
_P256 = bytes.fromhex("06082a8648ce3d030107")  # the object identifier of secp256r1, DER
_POINT_BYTES = 65
# DigestInfo of SHA-256 up to the digest (RFC 8017 section 9.2, note 1).
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")

Ask = Callable[[], bytes]

_log = logging.getLogger(__name__)

openssl.install()


class TokenSigner:
    """A `Signer` with a key on a token. Several threads may use it.

    Args:
        key: the key, from `keyuri.parse`.
        ask: returns the PIN; called once, and only if the token needs a PIN and the URI names no
            file that holds it.
        create: the algorithm of a new key pair, one of choices.ALGORITHMS, which is generated on
            the token if the key does not exist yet; "" for a key that must exist.

    Attributes:
        spki: public key, DER SubjectPublicKeyInfo.
        algorithm: AlgorithmIdentifier of its signatures, DER.

    Raises:
        TokenMissing: the module, the token or the key is not there, or cannot be used.
        WrongPassphrase: the token refuses the PIN.
        NotAKey: the key is of a kind or size that seals do not use.
    """

    def __init__(self, key: TokenKey, ask: Ask, create: str = "") -> None:
        self._key = key
        self._ask = ask
        self._pin: str | None = None
        self._refused: Failure | None = None
        self._next_try = 0.0
        self._away = False
        self._private: Any = None
        self._module = _module(key)
        self.spki = b""
        self.algorithm = b""
        with self._module.lock, _own_errors(), _explained(key):
            self._open_first(create)

    def sign(self, message: bytes) -> bytes:
        """Sign SHA-256 of a message: PKCS #1 v1.5 (RFC 8017) or ECDSA in DER (RFC 3279).

        Args:
            message: the bytes to sign.

        Raises:
            TokenMissing: the token is away, or does not sign as it should.
            WrongPassphrase: the token has refused the PIN before.
        """
        digest = hashlib.sha256(message).digest()
        with self._module.lock, _own_errors():
            signature = self._sign_or_reopen(digest)
        try:
            # A faulty signature must not leave: the private key could be computed from it.
            keys.verify(keys.parse(self.spki), self.algorithm, digest, signature)
        except errors.SealError:
            raise TokenMissing(f"{self._key.name}: it returned a wrong signature") from None
        return signature

    def _sign_or_reopen(self, digest: bytes) -> bytes:
        from pkcs11 import PKCS11Error

        if self._private is not None and self._generation == self._module.generation:
            with contextlib.suppress(PKCS11Error):
                return self._raw(digest)
        if self._refused is not None:
            raise self._refused
        if time.monotonic() < self._next_try:
            raise TokenMissing(f"{self._key.name}: it was away a moment ago")
        self._next_try = time.monotonic() + PAUSE
        self._private = None
        try:
            with _explained(self._key):
                self._module.restart(self._generation)
                self._open("")
                signature = self._raw(digest)
        except Failure as error:
            self._note(error)
            raise
        self._next_try = 0.0
        self._note(None)
        return signature

    def _note(self, error: Failure | None) -> None:
        """Log once that the key is away, and once that it is back."""
        if error is not None and not self._away:
            _log.error("key away", extra={"code": error.code, "detail": error.detail})
        elif error is None and self._away:
            _log.warning("key back", extra={"detail": self._key.name})
        self._away = error is not None

    def _open_first(self, create: str) -> None:
        from pkcs11 import PKCS11Error

        self._module.start()
        try:
            self._open(create)
        except PKCS11Error:  # the token was away since the module was started, for another key
            self._module.restart(self._module.generation)
            self._open(create)

    def _open(self, create: str) -> None:
        """Log in, and find the key. A key that has another public key than before is refused."""
        self._generation = self._module.generation
        session = self._log_in(rw=bool(create))
        private = self._find(session)
        if private is None:
            if not create:
                raise TokenMissing(f"{self._key.name}: there is no such key")
            private = _generate(session, self._key, create)
        spki = _public(session, private)
        if self.spki and spki != self.spki:
            raise TokenMissing(f"{self._key.name}: it is another key than before")
        try:
            keys.parse(spki)
        except errors.SealError as error:
            raise NotAKey(f"{self._key.name} is a key that no node accepts: {error}") from None
        self.spki = spki
        self.algorithm = eckeys.ECDSA_SHA256 if _is_ec(private) else limits.RSA_SHA256
        self._private = private

    def _log_in(self, *, rw: bool) -> Any:
        import pkcs11

        token = self._module.token(self._key)
        if not token.flags & pkcs11.TokenFlag.LOGIN_REQUIRED:
            return token.open(rw=rw)
        pin: Any = pkcs11.PROTECTED_AUTH
        if not token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH:
            if self._pin is None:
                self._pin = _text(_pin(self._key, self._ask))
            pin = self._pin
        try:
            return token.open(rw=rw, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:  # by another key of this process on the same token
            return token.open(rw=rw)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            what = f"the token of {self._key.name} refuses the PIN, which is not tried again"
        except pkcs11.PinLocked:
            what = f"the token of {self._key.name} is locked after too many wrong PINs"
        self._refused = WrongPassphrase(what)
        raise self._refused

    def _find(self, session: Any) -> Any:
        import pkcs11

        wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
        if self._key.object:
            wanted[pkcs11.Attribute.LABEL] = self._key.object
        if self._key.id:
            wanted[pkcs11.Attribute.ID] = self._key.id
        found = list(session.get_objects(wanted))
        if len(found) > 1:
            raise TokenMissing(f"{self._key.name}: there are {len(found)} such keys; give the id")
        return found[0] if found else None

    def _raw(self, digest: bytes) -> bytes:
        import pkcs11

        if not _is_ec(self._private):
            message = _DIGEST_INFO + digest
            return bytes(self._private.sign(message, mechanism=pkcs11.Mechanism.RSA_PKCS))
        both = bytes(self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        half = len(both) // 2
        r, s = (int.from_bytes(part, "big") for part in (both[:half], both[half:]))
        return utils.encode_dss_signature(r, s)


class _Module:
    """A PKCS #11 module, which a process loads once for all its keys.

    It has to be started again before it sees a token that was away, and that ends the sessions of
    all keys: `generation` counts these starts.
    """

    def __init__(self, path: str) -> None:
        import pkcs11

        self.lock = threading.RLock()
        self.generation = 0
        self._library = pkcs11.lib(path)

    def restart(self, seen: int) -> None:
        """Start the module again, unless another key did so since the start number `seen`."""
        from pkcs11 import PKCS11Error

        if seen == self.generation:
            self.generation += 1
            with contextlib.suppress(PKCS11Error):
                self._library.finalize()
        self.start()

    def start(self) -> None:
        """Start the module, unless it runs: it may have failed to start while a token was away."""
        if not self._library.initialized:
            self._library.initialize()

    def token(self, key: TokenKey) -> Any:
        """Return the only token that the URI describes."""
        found = [
            token
            for token in self._library.get_tokens(token_label=key.token or None)
            if key.serial in ("", _plain(token.serial))
            and key.manufacturer in ("", token.manufacturer_id)
            and key.model in ("", token.model)
        ]
        if len(found) != 1:
            what = f"there are {len(found)} such tokens" if found else "the token is not there"
            raise TokenMissing(f"{key.name}: {what}")
        return found[0]


_modules: dict[str, _Module] = {}
_loading = threading.Lock()


def _module(key: TokenKey) -> _Module:
    path = key.module or os.environ.get(MODULE_VARIABLE, "") or _P11_KIT
    with _loading, _explained(key):
        if path not in _modules:
            _modules[path] = _Module(path)
        return _modules[path]


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    """Leave no error of the module in OpenSSL's list of this thread.

    A module that uses the same OpenSSL as the interpreter, as SoftHSM does, adds its errors there.
    The next use of TLS would fail with them.
    """
    try:
        yield
    finally:
        # An error of `ssl` itself empties the list.
        with contextlib.suppress(ssl.SSLError):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers("NONE-SUCH")


@contextlib.contextmanager
def _explained(key: TokenKey) -> Iterator[None]:
    """Turn the errors of the driver into one line that says which token failed, and how."""
    try:
        import pkcs11
    except ImportError:
        raise TokenMissing("no driver: pip install 'triseal[pkcs11]'") from None
    try:
        yield
    except pkcs11.PKCS11Error as error:
        raise TokenMissing(f"{key.name}: {_words(error)}") from None
    except (OSError, RuntimeError) as error:
        raise TokenMissing(f"the PKCS #11 module cannot be loaded: {error}") from None


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


def _pin(key: TokenKey, ask: Ask) -> bytes:
    return passphrases.given(Path(key.pin_file)) if key.pin_file else ask()


def _text(pin: bytes) -> str:
    try:
        return pin.decode()
    except UnicodeDecodeError:
        raise WrongPassphrase("the PIN of a token is UTF-8") from None


def _is_ec(private: Any) -> bool:
    import pkcs11

    return bool(private.key_type == pkcs11.KeyType.EC)


def _generate(session: Any, key: TokenKey, algorithm: str) -> Any:
    """Generate a key pair that never leaves the token, and return its private half."""
    import pkcs11

    hidden = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
    named = {
        "id": key.id or secrets.token_bytes(_ID_BYTES),
        "label": key.object,
        "store": True,
        "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        "private_template": hidden,
    }
    if algorithm == "p256":
        curve = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: _P256}, local=True
        )
        return curve.generate_keypair(**named)[1]
    return session.generate_keypair(pkcs11.KeyType.RSA, int(algorithm[3:]), **named)[1]


def _public(session: Any, private: Any) -> bytes:
    """Return the SubjectPublicKeyInfo of a private key on the token.

    RSA keys hold their public numbers. The point of an EC key is in its public half.
    """
    import pkcs11

    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    try:
        if private.key_type == pkcs11.KeyType.RSA:
            modulus = int.from_bytes(private[pkcs11.Attribute.MODULUS], "big")
            exponent = int.from_bytes(private[pkcs11.Attribute.PUBLIC_EXPONENT], "big")
            public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        elif private.key_type == pkcs11.KeyType.EC:
            half = session.get_key(
                object_class=pkcs11.ObjectClass.PUBLIC_KEY, id=private[pkcs11.Attribute.ID]
            )
            if bytes(half[pkcs11.Attribute.EC_PARAMS]) != _P256:
                raise NotAKey("the key on the token is on another curve than P-256")
            # An OCTET STRING around the point; some tokens leave the wrapping out.
            point = bytes(half[pkcs11.Attribute.EC_POINT])[-_POINT_BYTES:]
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        else:
            raise NotAKey("the key on the token is neither RSA nor P-256")
    except ValueError:
        raise NotAKey("the key on the token has no valid public half") from None
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _plain(serial: bytes | str) -> str:
    return serial.decode(errors="replace") if isinstance(serial, bytes) else serial
