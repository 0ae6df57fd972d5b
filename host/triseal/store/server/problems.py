"""Refusals as problem details (RFC 9457), with the codes of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from sealcore import errors
from triseal import advice
from triseal.bucket import BucketTrouble
from triseal.errors import DatabaseUnusable, Failure

MEDIA_TYPE = "application/problem+json"
CODE = "triseal.code"  # where the scope of a request has the code of its refusal
_OTHER = 400
_STATUS: Mapping[str, int] = {
    "not-found": 404,
    "unknown-service": 404,
    "unknown-developer": 404,
    "not-signed": 401,
    "unknown-witness": 403,
    "log-stale": 409,
    "untrusted-signer": 403,
    "other-signer": 403,
    "developer-suspended": 403,
    "key-replaced": 403,
    "quarantined": 403,
    "rollback": 409,
    "service-taken": 409,
    "name-taken": 409,
    "archived": 409,
    "wrong-state": 409,
    "withdrawn": 409,
    "too-slow": 408,
    "too-large": 413,
    "package-too-large": 413,
    "too-busy": 429,
    "too-many-requests": 429,
    "too-many-submissions": 429,
    "too-many-listeners": 429,
    "no-such-entry": 409,
}
# The fault is the Store's, not the caller's: what the caller sent may be sent again.
_OURS = {
    "store-behind", "store-ended", "damaged-store", "log-behind", "log-damaged", "disk-full",
    "read-only-disk",
    "token-missing", "mark-not-written", "mark-damaged", "open-permissions", "not-a-key",
    "wrong-passphrase", "no-passphrase", "store-failed", "bucket-failed", "bucket-unreachable",
    "bucket-denied", "no-bucket-driver", "bad-bucket", "store-moved",
}  # fmt: skip


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    status: int
    title: str
    detail: str
    code: str
    advice: str


def documented(*numbers: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals for the OpenAPI document.

    Args:
        numbers: the statuses that they may have.
    """
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"content": {MEDIA_TYPE: {"schema": schema}}}
    made: dict[int | str, dict[str, Any]] = {
        number: {"description": HTTPStatus(number).phrase} | content for number in numbers
    }
    return made | {"default": {"model": Problem, "description": "A defect of the server"}}


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
    return JSONResponse(_facts(code, number, what, cure), number, media_type=MEDIA_TYPE)


def _facts(code: str, number: int, what: str, cure: str) -> dict[str, object]:
    facts: dict[str, object] = {"type": "about:blank", "status": number}
    facts["title"] = code.replace("-", " ")
    return facts | {"detail": what, "code": code, "advice": cure}


def of(error: BaseException) -> JSONResponse:
    """Return the refusal for a failure.

    Args:
        error: as for `advice.line`.
    """
    if isinstance(error, OSError):  # its text names files of this computer
        return answer("store-failed", "the Store could not write", "Tell its operator")
    if isinstance(error, DatabaseUnusable):  # and this one its database
        return answer(error.code, "the Store could not use its database", "Try again later")
    if isinstance(error, BucketTrouble):  # and this one its bucket
        return answer(error.code, "the Store could not reach its files", "Try again later")
    return answer(*advice.explain(error))


def install(made: FastAPI) -> None:
    """Let an application answer each failure with a refusal.

    Args:
        made: the application.
    """
    for kind in (Failure, errors.SealError, OSError, HTTPException, RequestValidationError):
        made.add_exception_handler(kind, _refuse)
    made.add_exception_handler(Exception, _defect)


async def _refuse(asked: Request, error: Exception) -> JSONResponse:
    code, made = _answer(error)
    asked.scope[CODE] = code
    return made


def _answer(error: Exception) -> tuple[str, JSONResponse]:
    if isinstance(error, RequestValidationError):
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:8]]
        cure = "See /openapi.json for what is expected"
        return "bad-request", answer("bad-request", "; ".join(said), cure)
    if isinstance(error, HTTPException):
        code = "not-found" if error.status_code in (404, 405) else "bad-request"
        number = error.status_code
        return code, JSONResponse(
            _facts(code, number, str(error.detail), "Check the URL and the method"),
            number,
            media_type=MEDIA_TYPE,
            headers=dict(error.headers or {}),
        )
    code = "store-failed" if isinstance(error, OSError) else advice.explain(error)[0]
    return code, of(error)


async def _defect(_: Request, __: Exception) -> JSONResponse:
    """Answer a defect of this program, whose text may hold anything; the log has it."""
    cure = "Tell the Store's operator"
    return JSONResponse(
        _facts("defect", 500, "the server has failed", cure), 500, media_type=MEDIA_TYPE
    )
