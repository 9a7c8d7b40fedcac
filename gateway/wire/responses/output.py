"""Output items of a response, its usage and status, from a chat's message and usage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from gateway.wire.responses.chat_form import ResponseOptions
from gateway.wire.responses.items import ID_PREFIXES, Item
from gateway.wire.usage import UsageObject
from infra import ids

RESPONSE_PREFIX = "resp"
# Fields of a passage in a `file_search_call`; a chat's passages have more.
_RESULT_FIELDS = ("file_id", "filename", "score", "attributes", "text")
_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseStatus(StrEnum):
    """The status of a response, with OpenAI's values."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the response has ended."""
        return self not in (ResponseStatus.QUEUED, ResponseStatus.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class ResponseRef:
    """The id of a response and its creation time (UTC). Its items have ids that contain its own."""

    id: UUID
    created_at: datetime

    @property
    def public_id(self) -> str:
        """Return the id in the API."""
        return ids.format_id(RESPONSE_PREFIX, self.id)

    def item_id(self, kind: str, index: int) -> str:
        """Return the id of the output item at an index, of a type such as `message`."""
        return f"{ID_PREFIXES[kind]}_{self.id.hex}{index:04x}"


def response_object(
    identity: ResponseRef,
    head: Mapping[str, Any],
    status: ResponseStatus,
    output: Sequence[Item] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Return a response; `fields` replace the defaults of `model`, `usage` and others."""
    return {
        "id": identity.public_id,
        "object": "response",
        "created_at": int(identity.created_at.timestamp()),
        "completed_at": None,
        "status": status.value,
        "error": None,
        "incomplete_details": None,
        "model": "",
        "output": list(output),
        "usage": None,
        **head,
        **fields,
    }


def final_fields(finish_reason: object, now: datetime) -> tuple[ResponseStatus, dict[str, Any]]:
    """Return the status of an answer that ended, and the fields that go with it."""
    reason = _INCOMPLETE_REASONS.get(str(finish_reason))
    if reason is not None:
        return ResponseStatus.INCOMPLETE, {"incomplete_details": {"reason": reason}}
    return ResponseStatus.COMPLETED, {"completed_at": int(now.timestamp())}


def failure_fields(error: Mapping[str, Any], status: int) -> dict[str, Any]:
    """Return the `error` of a response that failed, from the object of an error with a status.

    `code` has one of OpenAI's values for responses, `maas_code` is the code of docs/errors.md.
    """
    code = "server_error" if status >= 500 else "invalid_prompt"
    return {
        "code": "rate_limit_exceeded" if status == 429 else code,
        "message": error["message"],
        "type": error["type"],
        "param": error["param"],
        "maas_code": error["code"],
    }


def usage_of(usage: object) -> dict[str, Any] | None:
    """Return a response's usage from a chat's; None if the engine reported none that is valid."""
    try:
        counts = msgspec.convert(usage, UsageObject)
    except msgspec.ValidationError:
        return None
    inputs, outputs = counts.prompt_tokens, counts.completion_tokens or 0
    prompt, completion = counts.prompt_tokens_details, counts.completion_tokens_details
    cached = None if prompt is None else prompt.cached_tokens
    reasoning = None if completion is None else completion.reasoning_tokens
    return {
        "input_tokens": inputs,
        "input_tokens_details": {"cached_tokens": cached or 0, "cache_write_tokens": 0},
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": reasoning or 0},
        "total_tokens": inputs + outputs,
    }


def output_items(
    identity: ResponseRef,
    options: ResponseOptions,
    message: Mapping[str, Any],
    logprobs: Sequence[Any],
    search: Mapping[str, Any] | None,
) -> list[Item]:
    """Return the items of a whole answer: the search, reasoning, the message, function calls."""
    items: list[Item] = []
    if options.searches_files:
        items.append(search_item(identity.item_id("file_search_call", 0), options, search))
    reasoning = message.get("reasoning")
    if reasoning:
        item_id = identity.item_id("reasoning", len(items))
        items.append({**empty_item("reasoning", item_id), "content": [reasoning_part(reasoning)]})
    calls = message.get("tool_calls") or []
    parts = _message_parts(message, logprobs)
    if parts or not calls:
        item_id = identity.item_id("message", len(items))
        content = parts or [text_part("")]
        items.append({**empty_item("message", item_id), "content": content})
    for call in calls:
        item_id = identity.item_id("function_call", len(items))
        function = call["function"]
        called = {"arguments": function["arguments"], "name": function["name"]}
        item = {
            **empty_item("function_call", item_id),
            **called,
            "call_id": call.get("id") or item_id,
        }
        items.append(item)
    return items


def completed_items(items: Sequence[Item], status: ResponseStatus) -> list[Item]:
    """Return the items as completed, the last one of an incomplete response as incomplete."""
    completed = [{**item, "status": "completed"} for item in items]
    if completed and status is ResponseStatus.INCOMPLETE:
        completed[-1]["status"] = "incomplete"
    return completed


def empty_item(kind: str, item_id: str) -> Item:
    """Return an item without content, in progress."""
    item: Item = {"id": item_id, "type": kind, "status": "in_progress"}
    match kind:
        case "message":
            return {**item, "role": "assistant", "content": []}
        case "reasoning":
            return {**item, "summary": [], "content": []}
        case _:
            return {**item, "arguments": "", "call_id": "", "name": ""}


def search_item(item_id: str, options: ResponseOptions, search: Mapping[str, Any] | None) -> Item:
    """Return the item of a file search; `search` are the passages that a chat reports."""
    found = None if search is None or not options.includes_results else search["results"]
    results = found and [{name: one[name] for name in _RESULT_FIELDS} for one in found]
    return {
        "id": item_id,
        "type": "file_search_call",
        "status": "in_progress" if search is None else "completed",
        "queries": (search or {}).get("queries") or [options.question],
        "results": results,
    }


def text_part(
    text: str, annotations: Sequence[Any] = (), logprobs: Sequence[Any] = ()
) -> dict[str, Any]:
    """Return a content part with the answer's text."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": list(annotations),
        "logprobs": list(logprobs),
    }


def reasoning_part(text: str) -> dict[str, Any]:
    """Return a content part with the model's reasoning."""
    return {"type": "reasoning_text", "text": text}


def refusal_part(text: str) -> dict[str, Any]:
    """Return a content part with the model's refusal."""
    return {"type": "refusal", "refusal": text}


def _message_parts(message: Mapping[str, Any], logprobs: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the content parts of a chat's message: text, refusal."""
    parts = []
    if message.get("content"):
        annotations = message.get("annotations") or []
        parts.append(text_part(message["content"], annotations, logprobs))
    if message.get("refusal"):
        parts.append(refusal_part(message["refusal"]))
    return parts
