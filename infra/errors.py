"""Base class of all application errors, with HTTP status and OpenAI error code.

    AppError
    ├── gateway: KeyMissing, KeyRevoked, ModelNotFound, UpstreamFailed, ... (gateway/call/errors.py)
    ├── models:  CatalogInvalid
    ├── serving: WeightsBroken, ...
    └── infra:   SettingsInvalid, DatabaseUnavailable, DataDirectoryBroken, ...

Each package declares its errors beside the code that raises them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class AppError(Exception):
    """An application error with a user-facing message, a stable code and an HTTP status.

    `headers` are added to the response (such as `retry-after`), `details` to the error object.
    `message` is shown to customers and operators, so it must not contain keys, prompts, server
    paths or error texts of other systems.
    """

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    details: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = str(message)
        self.param = param
        self.headers: Mapping[str, str] = headers or {}


def error_object(error: AppError) -> dict[str, Any]:
    """Return the error as OpenAI's error object, with the error's `details` added."""
    return {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
        **error.details,
    }
