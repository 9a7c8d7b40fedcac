"""The answer of a chat with hosted tools: a completion or a stream, with its decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from billing.rating.quantities import Quantities
from gateway.collaboration.conversation import ToolCall
from gateway.collaboration.loop import Outcome
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.hosted_tools.consultations import consultation_json
from gateway.wire.hosted_tools.decisions import decision_json
from gateway.wire.usage import usage_json

DECISIONS = "x_maas_decisions"
_ORIGIN = "x_maas_answer"
_MISSING = "x_maas_missing"
_CONSULTED = "x_maas_consulted"
_ASSET = "x_maas_asset"
# A stream's text comes in parts of this size, so that clients show it as it arrives.
_PART_LENGTH = 200
NOTHING_MORE: Mapping[str, Any] = MappingProxyType({})
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What every answer or chunk has: id, time and model; and the tokens of all steps.

    `asset` reports the asset of the plant model that the question names, and its readings.
    """

    request_id: UUID
    created: datetime
    model: str
    currency: str
    tokens: Quantities
    asset: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """What passages add to an answer: its checked text, annotations, and the list of passages."""

    text: str
    annotations: Sequence[Mapping[str, Any]]
    passages: Mapping[str, Any]


def read_cited(body: bytes) -> CitedAnswer:
    """Return what the check of an answer against its passages has put into its completion."""
    answer = msgspec.json.decode(body)
    message = answer["choices"][0]["message"]
    return CitedAnswer(message["content"] or "", message["annotations"], answer[FILE_SEARCH])


def encode_answer(
    head: AnswerHead,
    outcome: Outcome,
    cited: CitedAnswer | None = None,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> bytes:
    """Return a chat completion with the outcome's text or calls, its decisions, and more fields."""
    message: dict[str, Any] = {"role": "assistant", "content": outcome.text or None}
    if cited is not None:
        message["annotations"] = cited.annotations
    if outcome.calls:
        message["tool_calls"] = _calls(outcome.calls)
    else:
        message["content"] = outcome.text
    choice = {"index": 0, "message": message, "finish_reason": outcome.finish_reason}
    return _encode(
        {
            **_identity(head, "chat.completion"),
            "choices": [choice],
            "usage": usage_json(head.tokens),
            **_decision_fields(head, outcome),
            **_passage_fields(cited),
            **more,
        }
    )


def encode_stream(
    head: AnswerHead,
    outcome: Outcome,
    cited: CitedAnswer | None = None,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> tuple[bytes, bytes]:
    """Return the events of a stream without its end, and its usage event."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    text = outcome.text
    deltas += [
        {"content": text[start : start + _PART_LENGTH]}
        for start in range(0, len(text), _PART_LENGTH)
    ]
    if outcome.calls:
        calls = [{"index": n, **call} for n, call in enumerate(_calls(outcome.calls))]
        deltas.append({"tool_calls": calls})
    if cited is not None and cited.annotations:
        deltas.append({"annotations": cited.annotations})
    identity = _identity(head, "chat.completion.chunk")
    events = [_event(identity, [_choice(delta, None)]) for delta in deltas]
    events.append(_event(identity, [_choice({}, outcome.finish_reason)]))
    fields = {**_decision_fields(head, outcome), **_passage_fields(cited), **more}
    events.append(_event(identity, [], **fields))
    return b"".join(events), _event(identity, [], usage=usage_json(head.tokens))


def _decision_fields(head: AnswerHead, outcome: Outcome) -> dict[str, Any]:
    """Return the machine-readable part of an answer."""
    decisions = [decision_json(one, head.currency) for one in outcome.decisions]
    missing = {_MISSING: list(outcome.missing)} if outcome.missing else {}
    consulted = [consultation_json(one, head.currency) for one in outcome.consulted]
    helped = {_CONSULTED: consulted} if consulted else {}
    asset = {} if head.asset is None else {_ASSET: head.asset}
    return {_ORIGIN: outcome.origin.value, DECISIONS: decisions, **helped, **missing, **asset}


def _passage_fields(cited: CitedAnswer | None) -> dict[str, Any]:
    """Return the list of passages of an answer with `file_search`."""
    return {} if cited is None else {FILE_SEARCH: cited.passages}


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Return calls of the client's functions in OpenAI's form."""
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]


def _identity(head: AnswerHead, kind: str) -> dict[str, Any]:
    """Return the fields that every answer or chunk has."""
    return {
        "id": f"chatcmpl-{head.request_id.hex}",
        "object": kind,
        "created": int(head.created.timestamp()),
        "model": head.model,
    }


def _choice(delta: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    """Return a choice of a chunk."""
    return {"index": 0, "delta": delta, "finish_reason": reason}


def _event(identity: Mapping[str, Any], choices: list[Any], **fields: Any) -> bytes:
    """Return a chunk as a server-sent event."""
    return b"data: " + _encode({**identity, "choices": choices, **fields}) + b"\n\n"
