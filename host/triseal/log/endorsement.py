"""The log's key as the Store's key has signed it: who has compared the Store's key has both.

    Endorsement ::= SEQUENCE {
        tbs                 SEQUENCE { label UTF8String ("triseal log key v1"), key UTF8String },
        signatureAlgorithm  AlgorithmIdentifier,
        signature           BIT STRING }

It is written as base64, in a line of the file with the Store's certificate.
"""

from __future__ import annotations

import base64

from sealcore import encode, errors, keys, sealwriter
from sealcore.certificate import split
from sealcore.compat import sha256
from sealcore.der import single
from triseal.log import note
from triseal.log.errors import BadLogData
from triseal.signer import Signer

LABEL = "triseal log key v1"
MAX_SIZE = 4096
LINE = "Log-Key: "
_MAX_KEY = 256


def make(store: Signer, key: note.Key) -> str:
    """Sign the key of a log.

    Args:
        store: the Store's key.
        key: the log's key.
    """
    tbs = _tbs(key)
    return base64.b64encode(sealwriter.signed(tbs, store.algorithm, store.sign(tbs))).decode()


def check(text: str, spki: bytes) -> note.Key:
    """Return the key that a Store has signed.

    Args:
        text: base64, as `make` returns it.
        spki: the Store's key, DER SubjectPublicKeyInfo.

    Raises:
        BadLogData: it is of another form, or not signed by this Store.
    """
    try:
        tbs, algorithm, signature = split(note.unbase64(text))
        keys.verify_any([(b"", spki)], algorithm, sha256(tbs), signature)
        fields = single(tbs)
        if fields.text(1, len(LABEL)) != LABEL:
            raise errors.MalformedDER("not the key of a log")
        key = note.parse_key(fields.text(1, _MAX_KEY), note.LOG)
        fields.end()
    except errors.SealError:
        raise BadLogData("the key of the log is not signed by the Store") from None
    return key


def holds(text: str, key: note.Key, spki: bytes) -> bool:
    """Tell whether a text says that a Store's log has a key.

    Args:
        text: base64, or "".
        key: the log's key.
        spki: the Store's key.
    """
    try:
        return check(text, spki) == key
    except BadLogData:
        return False


def of_file(data: bytes) -> str:
    """Return the endorsement from the file with a Store's certificate; "" if it has none.

    Args:
        data: the file, PEM with lines of text before it.
    """
    for line in data.decode(errors="replace").splitlines():
        if line.startswith(LINE):
            return line.removeprefix(LINE).strip()
    return ""


def _tbs(key: note.Key) -> bytes:
    return bytes(encode.sequence(encode.text(LABEL), encode.text(str(key))))
