"""The root of every error that we raise on purpose.

    AppError
    ├── gateway: KeyMissing, KeyRevoked, ModelNotFound, UpstreamFailed, ... (gateway/call/errors.py)
    ├── models:  CatalogInvalid
    ├── serving: WeightsBroken, ...
    └── infra:   SettingsInvalid, DatabaseUnavailable, DataDirectoryBroken, ...

Each package declares its own facts beside the code that finds them out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class AppError(Exception):
    """A fact that a person can act on: plain words, a stable code, an HTTP status.

    `headers` go with the answer, as `retry-after`; `details` are further fields of the error
    object. `message` is shown to customers and operators, so it never holds a key, a prompt, a path
    of the server or another system's own text.
    """

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    details: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers: Mapping[str, str] = headers or {}


def error_object(error: AppError) -> dict[str, Any]:
    """OpenAI's error object, always with its four keys, and what else is known of the error."""
    return {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
        **error.details,
    }
