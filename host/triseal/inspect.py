"""Says what a file is and what is in it: never that it is to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sealcore import bundle, der, encode, errors, limits, timetext
from sealcore.compat import sha256
from triseal import describe, evidence, files, metadata, package, pem, request
from triseal.describe import Facts
from triseal.describemessage import FIRST, LAST, of_message
from triseal.errors import BadMetadata, Failure, NotRecognised

MAX_SIZE = package.MAX_SIZE


def read(path: Path) -> Facts:
    """Facts about a file; raises what files.read and `inspect` raise."""
    return inspect(files.read(path, MAX_SIZE))


def inspect(data: bytes) -> Facts:
    """Facts about a seal, certificate, package, bundle, request, message or evidence.

    Args:
        data: DER, or PEM of one block.

    Returns: names to values for JSON; "kind" says what it is.

    Raises:
        NotRecognised: none of these.
        MalformedDER, ...: it begins as one of these, and then is none.
    """
    label, content = pem.decode(data)
    if label == pem.REQUEST:
        return _request(content)
    if content[:1] and FIRST <= content[0] <= LAST:
        return of_message(content)
    if content[:1] != bytes([limits.SEQUENCE]):
        raise NotRecognised("neither DER nor PEM that Triseal writes")
    return _reader(content)(content)


def _reader(content: bytes) -> Callable[[bytes], Facts]:
    """Which of the SEQUENCEs it is, by how it begins."""
    outer = der.single(content)
    labels = {package.LABEL: _package, evidence.LABEL: _evidence, limits.BUNDLE_LABEL: _bundle}
    if outer.peek() == limits.SEQUENCE:
        tbs = outer.enter()
        # A certificate begins with [0] and its version, a request (RFC 2986) with INTEGER 0.
        if tbs.peek() == limits.INTEGER and bytes(tbs.element()) == encode.integer(0):
            return _request
        found = tbs.text(1, 63) if tbs.peek() == limits.UTF8_STRING else ""
        return _bundle if found == limits.BUNDLE_LABEL else describe.any_certificate
    found = outer.text(1, 63) if outer.peek() == limits.UTF8_STRING else ""
    if found not in labels:
        raise NotRecognised("DER, but nothing that Triseal writes")
    return labels[found]


def _package(content: bytes) -> Facts:
    found = package.parse(content)
    facts: Facts = {
        "kind": "package",
        "executable": found.name,
        "size": len(found.executable),
        "sha256": sha256(found.executable).hex(),
        "metadata_sha256": sha256(found.metadata).hex(),
        "developer_seal": _tolerant(found.developer_seal),
        "store_seal": _tolerant(found.store_seal) if found.store_seal else None,
    }
    try:
        return facts | {"metadata": metadata.load(found.metadata)}
    except BadMetadata as error:
        return facts | {"metadata": f"not valid: {error}"}


def _tolerant(content: bytes) -> Facts:
    """A part that is not what it should be does not hide the rest."""
    try:
        return describe.any_certificate(content)
    except errors.SealError as error:
        return {"kind": f"not readable: {error.code}"}


def _evidence(content: bytes) -> Facts:
    pair = evidence.parse(content)
    facts: Facts = {"kind": "evidence"}
    try:
        found = evidence.contradiction(*pair)
        facts["claim"] = f"{found.kind}: {found.role} of {found.signer}"
        facts["differences"] = list(found.differences)
    except Failure as error:
        facts["claim"] = f"none: {error}"
    return facts | {"earlier": describe.of_seal(pair[0]), "later": describe.of_seal(pair[1])}


def _bundle(content: bytes) -> Facts:
    found = bundle.parse(content)
    facts: Facts = {
        "kind": "trust bundle",
        "site": found.site,
        "version": found.version,
        "issued_at": timetext.iso(found.issued_at),
    }
    for name in ("site_keys", "store_keys", "developers"):
        entries = getattr(found, name)
        facts[name] = [{"name": describe.name(who)} | describe.key(spki) for who, spki in entries]
    return facts


def _request(content: bytes) -> Facts:
    found = request.parse(content)
    return {"kind": "request", "name": found.name, "key": describe.key(found.spki)}
