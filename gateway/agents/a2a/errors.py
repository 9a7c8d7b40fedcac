"""Errors of the Agent2Agent protocol, as JSON-RPC error objects."""

from typing import Any

from infra.errors import AppError

_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
# Of the range that JSON-RPC leaves to servers; the protocol has none for what is refused.
_REFUSED, _INTERNAL = -32000, -32603
_BAD_STATUSES = (400, 404, 422)


class A2aError(Exception):
    """An error with the protocol's code; `reason` is its name in ErrorInfo."""

    def __init__(
        self, code: int, reason: str, message: str, metadata: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}


def parse_error() -> A2aError:
    """Return the error of a body that is not JSON."""
    return A2aError(-32700, "JSON_PARSE_ERROR", "The body is not JSON.")


def invalid_request(message: str) -> A2aError:
    """Return the error of JSON that is not a request."""
    return A2aError(-32600, "INVALID_REQUEST", message)


def method_not_found(method: str) -> A2aError:
    """Return the error of an unknown method."""
    return A2aError(-32601, "METHOD_NOT_FOUND", f"The method {method[:60]!r} does not exist.")


def invalid_params(message: str, param: str = "") -> A2aError:
    """Return the error of parameters that cannot be used."""
    metadata = {"param": param} if param else {}
    return A2aError(-32602, "INVALID_PARAMS", message, metadata)


def task_not_found(task: str) -> A2aError:
    """Return the error of a task that does not exist, or is another account's."""
    return A2aError(-32001, "TASK_NOT_FOUND", f"The task {task[:60]!r} does not exist.")


def task_not_cancelable(state: str) -> A2aError:
    """Return the error of a task that has begun or ended."""
    return A2aError(
        -32002, "TASK_NOT_CANCELABLE", f"The task is `{state}`: it cannot be canceled any more."
    )


def push_not_supported() -> A2aError:
    """Return the error of push notifications to an address of the caller's choice."""
    return A2aError(
        -32003,
        "PUSH_NOTIFICATION_NOT_SUPPORTED",
        "Push notifications are not supported. Add a notification endpoint for the event "
        "`agent.decided` (/v1/notification_endpoints), or subscribe to the task.",
    )


def unsupported(message: str) -> A2aError:
    """Return the error of an operation that a task or server does not support."""
    return A2aError(-32004, "UNSUPPORTED_OPERATION", message)


def content_type_not_supported() -> A2aError:
    """Return the error of a message that has neither text nor data."""
    return A2aError(
        -32005,
        "CONTENT_TYPE_NOT_SUPPORTED",
        "Send one part with `text` or `data`. Files and several parts are not supported.",
    )


def version_not_supported(version: str) -> A2aError:
    """Return the error of another version of the protocol."""
    return A2aError(
        -32009,
        "VERSION_NOT_SUPPORTED",
        f"The version {version[:20] or '0.3'!r} is not supported. Send `A2A-Version: 1.0`.",
    )


def internal_error() -> A2aError:
    """Return the error of what failed unexpectedly."""
    return A2aError(_INTERNAL, "INTERNAL_ERROR", "Something failed here. Try again later.")


def from_app_error(error: AppError) -> A2aError:
    """Return an error of the API: invalid parameters, or refused, with its code in ErrorInfo."""
    code = error.code or error.type
    metadata = {"code": code, "param": error.param or ""}
    metadata |= {name: value for name, value in error.headers.items() if name == "retry-after"}
    number = -32602 if error.status in _BAD_STATUSES else _REFUSED
    number = _INTERNAL if error.status >= 500 else number  # server errors
    return A2aError(number, code.upper(), error.message, metadata)


def error_json(error: A2aError) -> dict[str, Any]:
    """Return the error object of a JSON-RPC response."""
    info = {"@type": _INFO, "reason": error.reason, "domain": "maas", "metadata": error.metadata}
    return {"code": error.code, "message": error.message, "data": [info]}
