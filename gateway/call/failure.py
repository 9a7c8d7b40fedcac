"""The end of a call that an error decided."""

from billing.tables import Settlement
from gateway.call.errors import envelope
from gateway.call.values import Call, Completion, Operation
from infra.errors import AppError


def refused(
    call: Call, error: AppError, started: bool = False, tail: bytes | None = None
) -> Completion:
    """Below 500 it is the caller's, else our fault."""
    fault = error.status >= 500
    headers = {"content-type": "application/json", **error.headers}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Completion(
        settlement=Settlement.PLATFORM_FAULT if fault else Settlement.REFUSED,
        status=error.status,
        tail=envelope(error, call.operation is Operation.INFER) if tail is None else tail,
        headers=headers,
        error_code=error.code,
        error=error,
        started=started,
    )
