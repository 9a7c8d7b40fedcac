"""Translation: what an upstream's refusal means, in our own words.

Owns reading an engine's error, in whichever of its shapes, and saying the same as one of our
facts. An engine's text is matched, never passed on: it names classes, request ids and settings
of ours. Only our own specialists' words are, which say so by a header.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.call.errors import (
    BadRequest,
    ContextLengthExceeded,
    ModelNotServed,
    ParameterInvalid,
    UpstreamBusy,
    UpstreamFailed,
)
from gateway.call.values import Ask
from infra.errors import AppError

# What a server says of a customer's variant that it has not got.
NOT_LOADED = "variant_not_loaded"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upstream's answer other than success. `ours`: the text was written for customers."""

    status: int
    body: bytes
    ours: bool


class SpecialistRefused(AppError):
    """A specialist of ours found a fault in the data and says which."""

    type = "invalid_request_error"

    def __init__(self, status: int, message: str, param: str | None, code: str | None) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code


def _context(found: re.Match[str], ask: Ask) -> AppError:
    param = found.groupdict().get("param") or None
    limit = ask.model.context_length
    size = f"{limit} tokens" if limit else "fewer tokens than that"
    return ContextLengthExceeded(
        f"The model {ask.model.id!r} holds {size} for prompt and answer together. Shorten the "
        "prompt or ask for fewer tokens.",
        param=param,
    )


def _tools(found: re.Match[str], ask: Ask) -> AppError:
    return ParameterInvalid(
        f"The model {ask.model.id!r} cannot choose tools by itself. Name the tool in "
        "`tool_choice`, or ask for JSON with `response_format`.",
        param="tool_choice",
    )


def _schema(found: re.Match[str], ask: Ask) -> AppError:
    return ParameterInvalid(
        "`response_format` holds a type or schema that cannot be used.", param="response_format"
    )


def _text_only(found: re.Match[str], ask: Ask) -> AppError:
    return ParameterInvalid(f"The model {ask.model.id!r} takes text only.", param="messages")


def _named(found: re.Match[str], ask: Ask) -> AppError:
    name = found["param"]
    return ParameterInvalid(f"`{name}` has a value that the model does not take.", param=name)


# The first that matches counts. The patterns are vLLM's and Ray Serve's texts.
_MEANINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Ask], AppError]], ...] = (
    (re.compile(r"(?P<param>max_\w*tokens)=\d+ cannot be greater"), _context),
    (re.compile(r"maximum (context|model) length|max_model_len"), _context),
    (re.compile(r"tool.?choice.{0,60}requires|tool-call-parser"), _tools),
    (re.compile(r"[Gg]rammar|response_format|json_schema|guided|structured"), _schema),
    (re.compile(r"not a multimodal model|multi-?modal"), _text_only),
    (re.compile(r"\(parameter=(?P<param>\w{1,60})"), _named),
    (re.compile(r"at \('body', '(?P<param>\w{1,60})'"), _named),
    (re.compile(r"^(?P<param>n|prompt|logit_bias|logprobs|top_logprobs|stop)\b"), _named),
)


def translate(refusal: Refusal, ask: Ask) -> AppError:
    """The fact behind a refusal; its message is safe to show."""
    error = _error_object(refusal.body)
    code = error.get("code")
    # Within a stream the status has gone out already; there the engine puts it into `code`.
    status = code if isinstance(code, int) and refusal.status == 200 else refusal.status
    if refusal.ours and status < 500:
        return _specialist(status, error)
    if status in (429, 503):
        return UpstreamBusy("The model has no room for more calls just now. Try again shortly.")
    if status == 404 and NOT_LOADED in str(error.get("message")):
        return SpecialistRefused(404, "The variant is not loaded.", "model", NOT_LOADED)
    if status == 404:
        return ModelNotServed(f"The model {ask.model.id!r} is not being served just now.")
    if status in (400, 413, 422):
        return _bad_request(str(error.get("message", "")), ask)
    return UpstreamFailed("The model could not answer. The call is not billed.")


def _bad_request(text: str, ask: Ask) -> AppError:
    text = text.removeprefix("Message: ")[:2000]
    for pattern, meaning in _MEANINGS:
        found = pattern.search(text)
        if found is not None:
            return meaning(found, ask)
    return BadRequest("The model refused the request as it is. Check its fields.")


def _specialist(status: int, error: dict[str, Any]) -> AppError:
    def text(name: str) -> str | None:
        value = error.get(name)
        return value if isinstance(value, str) else None

    return SpecialistRefused(
        status, text("message") or "The model refused the request.", text("param"), text("code")
    )


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    error = document.get("error", document.get("detail"))
    return error if isinstance(error, dict) else {"message": error}
