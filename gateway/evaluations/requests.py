"""Chat requests of evaluation questions: bodies, headers, and reading the responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from billing.money import nano_text
from gateway.call.tags import TAGS_HEADER
from gateway.evaluations.answers import PendingAnswer
from gateway.evaluations.runs import RUN_ID_PREFIX
from gateway.tables import EvaluationRun
from gateway.wire import body as bodies
from gateway.wire.file_search.citations import FILE_SEARCH
from infra import ids
from models.evaluation.question_file import Question

# The tag of a run's calls, with the run's id as its value.
EVALUATION_TAG = "evaluation"


class _Message(msgspec.Struct):
    """The message of a choice, with the fields that are read."""

    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    """A choice of a chat completion."""

    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    """The fields of a chat completion that are read."""

    choices: list[_Choice]


class _Error(msgspec.Struct):
    """An error object; `code` is null for errors without a code."""

    message: str = ""
    code: str | None = None


class _ErrorBody(msgspec.Struct):
    """The body of an error response."""

    error: _Error


@dataclass(frozen=True, slots=True)
class CompletedAnswer:
    """The text of a chat completion; `is_refused` if the model refused with OpenAI's field."""

    text: str
    finish_reason: str | None
    is_refused: bool


_COMPLETION = msgspec.json.Decoder(_Completion)
_ERROR = msgspec.json.Decoder(_ErrorBody)
_MAX_REASON_LENGTH = 40
_NO_ANSWER = CompletedAnswer("", None, False)


def question_request(question: Question) -> dict[str, Any]:
    """Return the fields of a question's chat request that do not depend on the run."""
    messages = [{"role": role, "content": content} for role, content in question.messages]
    if not question.vector_store_ids:
        return {"messages": messages}
    tool = {"type": FILE_SEARCH, "vector_store_ids": list(question.vector_store_ids)}
    return {"messages": messages, "tools": [tool]}


def request_body(model: str, max_tokens: int, request: Mapping[str, Any]) -> bytes:
    """Return the body of a question's call: greedy decoding, so that a repetition is comparable."""
    fields = {"model": model, **request, "max_tokens": max_tokens, "temperature": 0}
    return bodies.encode_body(fields)


def request_headers(run: EvaluationRun, item: PendingAnswer) -> dict[bytes, bytes]:
    """Return the headers of a question's call: its tag, its idempotency key and its cost limit."""
    run_id = ids.format_id(RUN_ID_PREFIX, run.id)
    headers = {
        TAGS_HEADER: f"{EVALUATION_TAG}={run_id}".encode(),
        b"idempotency-key": idempotency_key(run, item).encode(),
    }
    if run.max_cost_nano is not None:
        headers[b"x-max-cost"] = nano_text(item.quoted_nano).encode()
    return headers


def idempotency_key(run: EvaluationRun, item: PendingAnswer) -> str:
    """Return the key under which a question's answer is stored with its usage row.

    After a crash, the stored answer is replayed instead of being generated and billed again.
    """
    run_id = ids.format_id(RUN_ID_PREFIX, run.id)
    return f"{run_id}:{item.position}:{item.contender}"


def read_completion(body: bytes) -> CompletedAnswer:
    """Return the answer in a chat completion; an empty one if it has no text."""
    try:
        choices = _COMPLETION.decode(body).choices
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _NO_ANSWER
    if not choices:
        return _NO_ANSWER
    message = choices[0].message
    text = message.content or message.refusal or ""
    reason = choices[0].finish_reason
    shown = None if reason is None else reason[:_MAX_REASON_LENGTH].replace("\x00", "")
    return CompletedAnswer(text, shown, message.refusal is not None)


def read_error(body: bytes, status: int) -> dict[str, str]:
    """Return code and message of an error response, as they are stored with the question."""
    try:
        error = _ERROR.decode(body).error
    except (msgspec.MsgspecError, ValueError, RecursionError):
        error = _Error()
    code = error.code or ("internal_error" if status >= 500 else "invalid_request")
    return {"code": code, "message": error.message.replace("\x00", "")[:1000]}
