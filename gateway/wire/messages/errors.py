"""Errors in Anthropic's shape: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

`param` and `code`, which docs/errors.md lists, are further fields of the error object.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.call.errors import CreditReserved, InsufficientQuota, UpstreamBusy, render_error
from infra.errors import AppError

OVERLOADED_STATUS = 529
BILLING_STATUS = 402
_OVERLOADED, _RATE_LIMITED = "overloaded_error", "rate_limit_error"
_TYPES: Mapping[int, str] = MappingProxyType(
    {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: _RATE_LIMITED,
        504: "timeout_error",
        OVERLOADED_STATUS: _OVERLOADED,
    }
)


class _Error(msgspec.Struct):
    """The fields of an error in OpenAI's shape."""

    message: str = ""
    type: str | None = None
    param: str | None = None
    code: str | None = None


class _ErrorBody(msgspec.Struct):
    """An error body in OpenAI's shape."""

    error: _Error


_BODY = msgspec.json.Decoder(_ErrorBody)


def convert_error(body: bytes, status: int, request_id: str | None) -> tuple[int, bytes]:
    """Return status and body of an error in Anthropic's shape, from one in OpenAI's.

    Money that is used up has Anthropic's status 402, a full model 529.
    """
    error = _BODY.decode(body).error
    status = _client_status(error, status)
    return status, msgspec.json.encode(_error_json(error, status, request_id))


def convert_error_event(error: Mapping[str, Any], request_id: str | None) -> dict[str, Any]:
    """Return the error object of an event in a started stream, in Anthropic's shape."""
    converted = msgspec.convert(error, _Error)
    status = _client_status(converted, 500)
    return _error_json(converted, status, request_id)


def message_error(error: AppError, request_id: str | None = None) -> tuple[int, bytes]:
    """Return status and body of an application error in Anthropic's shape."""
    return convert_error(render_error(error), error.status, request_id)


def _client_status(error: _Error, status: int) -> int:
    """Return the status that Anthropic's API has for the error."""
    if error.code == UpstreamBusy.code:
        return OVERLOADED_STATUS
    # Credit that running calls have reserved comes back: a retry can succeed.
    if error.type == InsufficientQuota.type and error.code != CreditReserved.code:
        return BILLING_STATUS
    return status


def _error_json(error: _Error, status: int, request_id: str | None) -> dict[str, Any]:
    """Return the whole error object."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    fields = {"message": error.message, "param": error.param, "code": error.code}
    return {"type": "error", "error": {"type": kind, **fields}, "request_id": request_id}
