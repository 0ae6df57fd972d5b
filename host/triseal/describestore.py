"""Facts about what a Store and a developer sign besides seals: lists, notices, replacements."""

from __future__ import annotations

from sealcore import timetext
from triseal import describe, notices, replacement, request, storekeys
from triseal.describe import Facts
from triseal.notices import Change


def of_replacement(content: bytes) -> Facts:
    """Describe a developer's replacement of a key.

    Args:
        content: DER.

    Raises:
        Failure: it is none, or a signature is wrong.
    """
    parsed = replacement.parse(content)
    return {
        "kind": "replacement of a key",
        "name": parsed.name,
        "old": describe.key(parsed.old),
        "new": describe.key(parsed.new),
    }


def of_keys(content: bytes) -> Facts:
    """Describe the list of a Store's signing keys.

    Args:
        content: DER.

    Raises:
        Failure: it is none, or the root in it has not signed it.
    """
    parsed = storekeys.parse(content)
    return {
        "kind": "list of Store keys",
        "store": parsed.store,
        "version": parsed.version,
        "root": request.fingerprint(parsed.root),
        "keys": [describe.key(one) for one in parsed.keys],
    }


def of_notices(content: bytes) -> Facts:
    """Describe what a Store tells its sites.

    Args:
        content: DER.

    Raises:
        Failure: it is of another form.
    """
    parsed = notices.parse(content)
    return {
        "kind": "notices",
        "store": parsed.store,
        "issued_at": timetext.iso(parsed.issued_at),
        "since": parsed.since,
        "last": parsed.last,
        "signing_keys": [describe.key(bytes(one.spki)) for one in parsed.certificates],
        "root": request.fingerprint(parsed.keys.root) if parsed.keys else None,
        "changes": [of_change(one) for one in parsed.changes],
    }


def of_change(one: Change) -> Facts:
    """Describe one decision of a Store.

    Args:
        one: the change.
    """
    return {
        "number": one.number,
        "time": timetext.iso(one.time),
        "kind": one.kind,
        "name": one.name,
        "detail": one.version,
        "key": request.fingerprint(one.key) if one.key else None,
        "former": request.fingerprint(one.former) if one.former else None,
        "proven": bool(one.proof),
        "reason": one.reason,
        "who": one.who,
    }
