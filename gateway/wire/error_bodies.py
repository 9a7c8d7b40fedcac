"""Bodies of error responses, as callers of the API read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error of a call: its HTTP status, message and field.

    row, value: of which instance, and of which value of its series, from 0; None if unknown.
    """

    status: int
    message: str
    param: str | None = None
    row: int | None = None
    value: int | None = None

    @property
    def is_server_error(self) -> bool:
        """Whether the call failed for a reason of the server."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def read_refusal(status: int, body: bytes) -> Refusal:
    """Return the error of a response: an object, or a text as the Open Inference Protocol has it.

    Bodies of a proxy before the gateway give an error with their status.
    """
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        document = None
    content = document if isinstance(document, Mapping) else {}
    error = content.get("error")
    fields = error if isinstance(error, Mapping) else {**content, "message": error}
    message, param = fields.get("message"), fields.get("param")
    if not isinstance(message, str):
        return Refusal(status, f"The gateway responded with status {status}.")
    param = param if isinstance(param, str) else None
    return Refusal(status, message, param, _count(fields, "row"), _count(fields, "value"))


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    """Return a field that is a whole number from 0, None otherwise."""
    count = fields.get(name)
    return count if type(count) is int and count >= 0 else None
