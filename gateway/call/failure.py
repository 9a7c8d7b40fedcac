"""The result of a call that ended with an error."""

from billing.tables import Settlement
from gateway.call.errors import render_error
from gateway.call.values import Call, CallResult
from infra.errors import AppError


def failed_result(
    call: Call, error: AppError, stream_started: bool = False, tail: bytes | None = None
) -> CallResult:
    """Return the result of a failed call: refused if the status is below 500, else platform fault.

    `stream_started` is True if a stream has begun; `tail` replaces the rendered error body.
    """
    is_platform_fault = error.status >= 500
    headers = {"content-type": "application/json", **error.headers}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return CallResult(
        settlement=Settlement.PLATFORM_FAULT if is_platform_fault else Settlement.REFUSED,
        status=error.status,
        tail=render_error(error, call.open_inference_errors) if tail is None else tail,
        headers=headers,
        error_code=error.code,
        error=error,
        stream_started=stream_started,
    )
