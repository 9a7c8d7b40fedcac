"""The lines of output and error files, in OpenAI's form, and the tokens that a response reports."""

import msgspec

from gateway.batches.batches import BATCH_ID_PREFIX
from gateway.batches.lines import PendingLine, TokenUsage
from gateway.inference.pipeline_client import PipelineResponse
from gateway.tables import Batch
from infra import ids


class _Details(msgspec.Struct):
    """Details of prompt or output tokens, of which each has one."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    """`usage` of chat, completions and embeddings; `/v1/responses` has other names."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Response(msgspec.Struct):
    """The field of a response that is read."""

    usage: _Usage | None = None


class _Error(msgspec.Struct):
    """An error object; `code` is null for errors without a code."""

    message: str = ""
    code: str | None = None


class _ErrorBody(msgspec.Struct):
    """The body of an error response."""

    error: _Error


_RESPONSE = msgspec.json.Decoder(_Response)
_ERROR = msgspec.json.Decoder(_ErrorBody)
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NO_DETAILS = _Details()


def result_text(batch: Batch, line: PendingLine, response: PipelineResponse) -> bytes:
    """Return a line's text in the output or error file: one line, whatever the response has."""
    fields = {
        "id": line_id(batch, line.position),
        "custom_id": line.custom_id,
        "response": {
            "status_code": response.status,
            "request_id": response.headers.get("x-request-id"),
            "body": _embedded(response.body),
        },
        "error": None,
    }
    return msgspec.json.encode(fields)


def line_id(batch: Batch, position: int) -> str:
    """Return the id of a line in its output or error file."""
    return f"{line_id_prefix(batch)}{position}"


def line_id_prefix(batch: Batch) -> str:
    """Return what the ids of a batch's lines begin with; their position follows."""
    return f"{BATCH_ID_PREFIX}_req_{batch.id.hex}_"


def idempotency_key(batch: Batch, line: PendingLine) -> str:
    """Return the key under which a line's response is stored with its usage row.

    After a crash, the stored response is replayed instead of being generated and billed again.
    """
    return f"{ids.format_id(BATCH_ID_PREFIX, batch.id)}:{line.position}"


def read_usage(body: bytes) -> TokenUsage:
    """Return the tokens that a response reports; none of a response without usage."""
    try:
        usage = _RESPONSE.decode(body).usage or _Usage()
    except _DECODE_ERRORS:
        return TokenUsage()
    read = usage.prompt_tokens_details or usage.input_tokens_details or _NO_DETAILS
    written = usage.completion_tokens_details or usage.output_tokens_details or _NO_DETAILS
    return TokenUsage(
        input_tokens=usage.prompt_tokens or usage.input_tokens or 0,
        cached_tokens=read.cached_tokens or 0,
        output_tokens=usage.completion_tokens or usage.output_tokens or 0,
        reasoning_tokens=written.reasoning_tokens or 0,
    )


def read_error(response: PipelineResponse) -> tuple[str, str]:
    """Return code and message of an error response."""
    try:
        error = _ERROR.decode(response.body).error
    except _DECODE_ERRORS:
        error = _Error()
    code = error.code or ("internal_error" if response.status >= 500 else "invalid_request")
    return code, error.message


def _embedded(body: bytes) -> msgspec.Raw | str:
    """Return a response body as a JSON value on one line."""
    # In JSON, line breaks occur between values only.
    text = body.replace(b"\n", b" ").replace(b"\r", b" ")
    try:
        text.decode()
        _ANY.decode(text)
    except _DECODE_ERRORS:
        return body.decode(errors="replace")
    return msgspec.Raw(text)


_ANY = msgspec.json.Decoder(msgspec.Raw)
