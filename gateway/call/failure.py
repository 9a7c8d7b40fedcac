"""The result of a call that ended with an error."""

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.tables import Settlement
from gateway.call.values import Call, CallResult
from infra import ids
from infra.errors import AppError


def failed_result(
    call: Call, error: AppError, stream_started: bool = False, tail: bytes | None = None
) -> CallResult:
    """Return the result of a failed call: refused if the status is below 500, else platform fault.

    `stream_started` is True if a stream has begun; `tail` replaces the rendered error body. The
    status is the error's own, which usage rows have; the client gets that of `client_status`.
    """
    is_platform_fault = error.status >= 500
    headers = {"content-type": "application/json", **error.headers}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if tail is None:
        request_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
        _, tail = call.error_format.render(error, request_id)
    return CallResult(
        settlement=Settlement.PLATFORM_FAULT if is_platform_fault else Settlement.REFUSED,
        status=error.status,
        tail=tail,
        headers=headers,
        error_code=error.code,
        error=error,
        stream_started=stream_started,
    )


def client_status(call: Call, error: AppError) -> int:
    """Return the status with which the client's format reports an error."""
    return call.error_format.render(error, None)[0]
