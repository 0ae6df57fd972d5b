"""The contents of a file as facts. They never say whether the file can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sealcore import bundle, der, encode, errors, limits, timetext
from sealcore.compat import sha256
from triseal import (
    bundlerequest,
    bundles,
    describe,
    describestore,
    evidence,
    files,
    metadata,
    notices,
    package,
    pem,
    replacement,
    request,
    storekeys,
)
from triseal.describe import Facts
from triseal.describemessage import FIRST, LAST, of_message
from triseal.errors import BadMetadata, Failure, NotRecognised

MAX_SIZE = package.MAX_SIZE
_UNSIGNED = "triseal seal evidence v1"  # as in `log.unsigned` and
_FORK = "triseal log evidence v1"  # in `log.forks`, which take long to load


def read(path: Path) -> Facts:
    """Describe a file.

    Args:
        path: the file.

    Raises: as files.read and `inspect`.
    """
    return files.parsed(path, MAX_SIZE, inspect)


def inspect(data: bytes) -> Facts:
    """Describe a seal, certificate, package, bundle, request, message, evidence or notices.

    Args:
        data: DER, or one block of PEM.

    Returns: values by name for JSON; "kind" says what it is.

    Raises:
        NotRecognised: it is none of these.
        MalformedDER, ...: it begins like one of these, and then differs.
    """
    label, content = pem.decode(data)
    if label == pem.REQUEST:
        return _request(content)
    if content[:1] and FIRST <= content[0] <= LAST:
        return of_message(content)
    if content[:1] != bytes([limits.SEQUENCE]):
        raise NotRecognised("neither DER nor PEM of a kind that Triseal writes")
    return _reader(content)(content)


def _reader(content: bytes) -> Callable[[bytes], Facts]:
    """Find out by its beginning which kind of SEQUENCE it is."""
    outer = der.single(content)
    labels = {package.LABEL: _package, evidence.LABEL: _evidence, _FORK: _fork}
    labels[_UNSIGNED] = _unsigned
    labels[bundlerequest.LABEL] = _bundle_request
    if outer.peek() == limits.SEQUENCE:
        tbs = outer.enter()
        # A certificate begins with [0] and its version, a request (RFC 2986) with INTEGER 0.
        if tbs.peek() == limits.INTEGER and bytes(tbs.element()) == encode.integer(0):
            return _request
        label = tbs.text(1, 63) if tbs.peek() == limits.UTF8_STRING else ""
        return _SIGNED.get(label, describe.any_certificate)
    label = outer.text(1, 63) if outer.peek() == limits.UTF8_STRING else ""
    if label not in labels:
        raise NotRecognised("DER of a kind that Triseal does not write")
    return labels[label]


def _package(content: bytes) -> Facts:
    parsed = package.parse(content)
    facts: Facts = {
        "kind": "package",
        "executable": parsed.name,
        "size": len(parsed.executable),
        "sha256": sha256(parsed.executable).hex(),
        "metadata_sha256": sha256(parsed.metadata).hex(),
        "developer_seal": _tolerant(parsed.developer_seal),
        "store_seal": _tolerant(parsed.store_seal) if parsed.store_seal else None,
        "proof": _proof(parsed) if parsed.proof else None,
    }
    try:
        return facts | {"metadata": metadata.load(parsed.metadata)}
    except BadMetadata as error:
        return facts | {"metadata": f"not valid: {error}"}


def _proof(parsed: package.Package) -> Facts:
    """Describe the proof of a package; whether it proves anything is not checked."""
    from triseal.log import entry, proof  # needed by few files
    from triseal.log.errors import BadLogData

    try:
        found = proof.parse(parsed.proof)
        said = entry.parse(found.leaf)
    except BadLogData as error:
        return {"kind": f"not readable: {error.code}"}
    made = found.checkpoint
    return {
        "log": made.origin,
        "entry": f"{found.index} of {made.size}",
        "says": said.kind,
        "logged_at": timetext.iso(said.time),
        "of_this_package": said.package == parsed.digest(),
        "signers": [one.name for one in made.note.signatures],
    }


def _tolerant(content: bytes) -> Facts:
    """Describe a part of a file; if it is damaged, the other parts are still described."""
    try:
        return describe.any_certificate(content)
    except errors.SealError as error:
        return {"kind": f"not readable: {error.code}"}


def _evidence(content: bytes) -> Facts:
    pair = evidence.parse(content)
    facts: Facts = {"kind": "evidence"}
    try:
        parsed = evidence.contradiction(*pair)
        facts["claim"] = f"{parsed.kind}: {parsed.role} of {parsed.signer}"
        facts["differences"] = list(parsed.differences)
    except Failure as error:
        facts["claim"] = f"none: {error}"
    return facts | {"earlier": describe.of_seal(pair[0]), "later": describe.of_seal(pair[1])}


def _fork(content: bytes) -> Facts:
    from triseal.log import forks  # needed by few files

    parsed = forks.parse(content)
    return {
        "kind": "evidence against a log",
        "log": str(parsed.key),
        "sizes": [parsed.older.size, parsed.newer.size],
        "roots": [parsed.older.root.hex(), parsed.begin.hex()],
    }


def _unsigned(content: bytes) -> Facts:
    from triseal.log import unsigned  # needed by few files

    parsed = unsigned.parse(content)
    said = parsed.said
    return {
        "kind": "evidence against a Store",
        "log": str(parsed.key),
        "entry": parsed.proof.index,
        "service": said.service,
        "version": said.version,
        "claim": "sealed without the signature of its developer",
    }


def _bundle(content: bytes) -> Facts:
    parsed = bundle.parse(content)
    facts: Facts = {
        "kind": "trust bundle",
        "site": parsed.site,
        "version": parsed.version,
        "issued_at": timetext.iso(parsed.issued_at),
    }
    threshold, roots = parsed.roots
    facts["threshold"] = threshold
    facts["roots"] = [describe.key(bytes(spki)) for spki in roots]
    for name in ("site_keys", "store_keys"):
        entries = getattr(parsed, name)
        facts[name] = [{"name": describe.name(who)} | describe.key(spki) for who, spki in entries]
    facts["developers"] = [
        {"hash": entry.hex(), "may_sign": bundles.words(kinds)}
        for entry, kinds in bundles.developers_of(parsed)
    ]
    facts["signed_by"] = [signer.hex() for signer, _, _ in parsed.signature]
    return facts


def _bundle_request(content: bytes) -> Facts:
    parsed = bundlerequest.parse(content)
    return _bundle(bytes(parsed.asked.der)) | {
        "kind": "request for signatures on a trust bundle",
        "replaces_version": parsed.held.version,
        "signatures_missing": parsed.missing,
    }


_SIGNED: dict[str, Callable[[bytes], Facts]] = {
    limits.BUNDLE_LABEL: _bundle,
    limits.OLD_BUNDLE_LABEL: _bundle,
    replacement.LABEL: describestore.of_replacement,
    storekeys.LABEL: describestore.of_keys,
    notices.LABEL: describestore.of_notices,
}


def _request(content: bytes) -> Facts:
    parsed = request.parse(content)
    return {"kind": "request", "name": parsed.name, "key": describe.key(parsed.spki)}
