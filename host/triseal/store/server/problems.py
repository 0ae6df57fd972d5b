"""Refusals as problem details (RFC 9457), with the codes of the command line."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse

from triseal import advice

MEDIA_TYPE = "application/problem+json"
_OTHER = 400
_STATUS: Mapping[str, int] = {
    "not-found": 404,
    "unknown-service": 404,
    "unknown-developer": 404,
    "not-signed": 401,
    "untrusted-signer": 403,
    "other-signer": 403,
    "developer-suspended": 403,
    "key-replaced": 403,
    "rollback": 409,
    "service-taken": 409,
    "name-taken": 409,
    "too-slow": 408,
    "too-large": 413,
    "too-busy": 429,
}
# The fault is the Store's, not the caller's: what the caller sent may be sent again.
_OURS = {
    "store-behind", "store-ended", "damaged-store", "log-behind", "log-damaged", "disk-full",
    "token-missing", "mark-not-written", "mark-damaged", "open-permissions", "not-a-key",
    "wrong-passphrase", "no-passphrase", "store-failed",
}  # fmt: skip


def status(code: str) -> int:
    """Return the HTTP status for a code.

    Args:
        code: a code of the command line.
    """
    if code in _OURS or code.startswith("database-"):
        return 503
    return _STATUS.get(code, _OTHER)


def answer(code: str, what: str, cure: str) -> JSONResponse:
    """Return a refusal.

    Args:
        code: its code.
        what: what happened.
        cure: what to do about it.
    """
    number = status(code)
    facts = {"type": "about:blank", "status": number, "title": code.replace("-", " ")}
    facts |= {"detail": what, "code": code, "advice": cure}
    return JSONResponse(facts, number, media_type=MEDIA_TYPE)


def of(error: BaseException) -> JSONResponse:
    """Return the refusal for a failure.

    Args:
        error: as for `advice.line`.
    """
    if isinstance(error, OSError):  # its text names files of this computer
        return answer("store-failed", "the Store could not write", "Tell its operator")
    return answer(*advice.explain(error))
