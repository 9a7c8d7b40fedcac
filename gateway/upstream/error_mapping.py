"""Map error responses of the model servers (vLLM, Ray Serve, specialists) to application errors.

An engine's error text is matched but never passed on to clients: it names internal classes, request
ids and settings. Only the texts of this project's specialists are passed on; a response header
(`x-maas-error`) marks them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.call.errors import (
    BadRequest,
    ContextLengthExceeded,
    ModelServerNotFound,
    ParameterInvalid,
    UpstreamBusy,
    UpstreamFailed,
)
from gateway.call.values import ParsedRequest
from infra.errors import AppError
from models.signature import PLACE

# The error code of a server that has not loaded the requested variant.
VARIANT_NOT_LOADED = "variant_not_loaded"


@dataclass(frozen=True, slots=True)
class UpstreamErrorResponse:
    """An upstream's response with an error. With `is_specialist_error`, its text was written for
    customers."""

    status: int
    body: bytes
    is_specialist_error: bool


class SpecialistError(AppError):
    """An error that a specialist model reports about the request's data, with its own message.

    place: the row of the request, and the value of its series, that it is about (PLACE).
    """

    type = "invalid_request_error"

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None,
        code: str | None,
        place: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code
        self.details = place


def _context_length_error(match: re.Match[str], request: ParsedRequest) -> AppError:
    """Return the error for a prompt and response beyond the model's context length, in tokens."""
    param = match.groupdict().get("param") or None
    limit = request.model.context_length
    size = f"{limit} tokens" if limit else "fewer tokens than that"
    return ContextLengthExceeded(
        f"The context length of the model {request.model.id!r} is {size} for prompt "
        "and response together. Shorten the prompt or lower max_tokens.",
        param=param,
    )


def _tool_choice_error(match: re.Match[str], request: ParsedRequest) -> AppError:
    """Return the error for `tool_choice: "auto"` with a model that does not support it."""
    return ParameterInvalid(
        f'The model {request.model.id!r} does not support `tool_choice: "auto"`. Name '
        "the tool in `tool_choice`, or request JSON with `response_format`.",
        param="tool_choice",
    )


def _schema_error(match: re.Match[str], request: ParsedRequest) -> AppError:
    """Return the error for a `response_format` that the engine does not support."""
    return ParameterInvalid(
        "`response_format` has a type or schema that is not supported.", param="response_format"
    )


def _text_only_error(match: re.Match[str], request: ParsedRequest) -> AppError:
    """Return the error for images or audio sent to a model that accepts text only."""
    return ParameterInvalid(f"The model {request.model.id!r} accepts text only.", param="messages")


def _parameter_error(match: re.Match[str], request: ParsedRequest) -> AppError:
    """Return the error for the request parameter that the match names as `param`."""
    name = match["param"]
    return ParameterInvalid(f"`{name}` has a value that the model does not accept.", param=name)


_ErrorFactory = Callable[[re.Match[str], ParsedRequest], AppError]
# Patterns of vLLM's and Ray Serve's error texts. The first match counts.
_ERROR_PATTERNS: tuple[tuple[re.Pattern[str], _ErrorFactory], ...] = (
    (re.compile(r"(?P<param>max_\w*tokens)=\d+ cannot be greater"), _context_length_error),
    (re.compile(r"maximum (context|model) length|max_model_len"), _context_length_error),
    (re.compile(r"tool.?choice.{0,60}requires|tool-call-parser"), _tool_choice_error),
    (re.compile(r"[Gg]rammar|response_format|json_schema|guided|structured"), _schema_error),
    (re.compile(r"not a multimodal model|multi-?modal"), _text_only_error),
    (re.compile(r"\(parameter=(?P<param>\w{1,60})"), _parameter_error),
    (re.compile(r"at \('body', '(?P<param>\w{1,60})'"), _parameter_error),
    (re.compile(r"^(?P<param>n|prompt|logit_bias|logprobs|top_logprobs|stop)\b"), _parameter_error),
)


def map_upstream_error(response: UpstreamErrorResponse, request: ParsedRequest) -> AppError:
    """Return the application error for an upstream's error response, with a message for clients."""
    error = _error_object(response.body)
    code = error.get("code")
    # In a stream the status 200 was sent already; the engine puts the error status into `code`.
    status = code if isinstance(code, int) and response.status == 200 else response.status
    if response.is_specialist_error and status < 500:
        return _specialist_error(status, error)
    if status in (429, 503):
        return UpstreamBusy("The model is at full capacity. Try again shortly.")
    if status == 404 and VARIANT_NOT_LOADED in str(error.get("message")):
        return SpecialistError(
            404, "The fine-tuned model is not loaded.", "model", VARIANT_NOT_LOADED
        )
    if status == 404:
        return ModelServerNotFound(
            f"The model {request.model.id!r} is not available at the moment."
        )
    if status in (400, 413, 422):
        return _bad_request_error(str(error.get("message", "")), request)
    return UpstreamFailed("The model failed to respond. The call is not billed.")


def _bad_request_error(text: str, request: ParsedRequest) -> AppError:
    """Return the error for an engine's 400 message: by its pattern, else a general one."""
    text = text.removeprefix("Message: ")[:2000]
    for pattern, make_error in _ERROR_PATTERNS:
        match = pattern.search(text)
        if match is not None:
            return make_error(match, request)
    return BadRequest("The model rejected the request. Check its fields.")


def _specialist_error(status: int, error: dict[str, Any]) -> AppError:
    """Return a specialist's error object as an application error with the same status."""

    def text(name: str) -> str | None:
        """Return a field of the error object if it is a text, else None."""
        value = error.get(name)
        return value if isinstance(value, str) else None

    message = text("message") or "The model rejected the request."
    place = {name: error[name] for name in PLACE if type(error.get(name)) is int}
    return SpecialistError(status, message, text("param"), text("code"), place)


def _error_object(body: bytes) -> dict[str, Any]:
    """Return the error object of a JSON body; a plain text as `message`; empty if unreadable."""
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    error = document.get("error", document.get("detail"))
    return error if isinstance(error, dict) else {"message": error}
