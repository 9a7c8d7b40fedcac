"""Formats other than chat: requests become chats, and answers are encoded last."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from billing.tables import Settlement
from gateway.call.error_format import ErrorFormat
from gateway.call.errors import ParameterInvalid, UpstreamFailed
from gateway.call.failure import client_status, failed_result
from gateway.call.values import Call, CallResult, Operation, Principal, ResolvedModel
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.foreign import foreign_endpoint
from gateway.inference.translation import FormattedCall, RequestTranslator
from gateway.wire.documentation import Documentation, Examples
from gateway.wire.format import HINTS_FIELD, CallIdentity, DecodedChat, WireFormat
from infra import ids
from infra.clock import SystemClock
from infra.errors import AppError
from models.catalog import Model, Task
from tests.support.builders import CATALOG, CHAT

PRINCIPAL = Principal(ids.new_id(), ids.new_id(), "CNY")
MODEL = CATALOG.models[CHAT]
RESOLVED = ResolvedModel(MODEL, MODEL.id, MODEL.id)
COMPLETE = CallResult(Settlement.COMPLETE, 200, b"", {})


class Asked(msgspec.Struct):
    """A request of the toy format."""

    ask: str
    aloud: bool = False


class Spoken:
    """The answer of the toy format: the text in capitals."""

    def encode(self, answer: bytes, now: datetime) -> bytes:
        message: Mapping[str, Any] = msgspec.json.decode(answer)["choices"][0]["message"]
        return cast(str, message["content"]).upper().encode()

    def open_stream(self) -> "Spoken":
        return self

    def feed(self, events: bytes) -> bytes:
        chunks = [json.loads(event[6:]) for event in events.split(b"\n\n") if event]
        return "".join(one["choices"][0]["delta"]["content"] for one in chunks).upper().encode()

    def end(self, tail: bytes, now: datetime) -> bytes:
        return b"."

    def fail(self, error: AppError) -> bytes:
        return b"?"


def decode(identity: CallIdentity, body: bytes) -> DecodedChat:
    asked = msgspec.json.decode(body, type=Asked)
    fields = {
        "model": CHAT, "messages": [{"role": "user", "content": asked.ask}],
        "stream": asked.aloud, HINTS_FIELD: {"temperature": 0},
    }  # fmt: skip
    return DecodedChat(msgspec.json.encode(fields), asked.aloud, Spoken())


def adapt(fields: Mapping[str, Any], hints: bytes, model: Model) -> Mapping[str, Any]:
    return {**fields, **msgspec.json.decode(hints), "max_tokens": len(model.id)}


def in_a_word(error: AppError, request_id: str | None) -> tuple[int, bytes]:
    return 418, f"{error.code} {request_id is not None}".encode()


TOY = WireFormat(
    decode=decode,
    adapt=adapt,
    parameters={},
    field_names={"messages": "ask"},
    error_format=ErrorFormat("ToyError", in_a_word),
    documentation=Documentation(Asked, Asked, "Ask", lambda _: Examples({}, {}), Task.EMBEDDING),
)


@pytest.fixture
def endpoint() -> Endpoint:
    return foreign_endpoint(Operation.CHAT, "/v1/toy", "Toy", TOY)


def call_of(endpoint: Endpoint) -> Call:
    return Call(
        ids.new_id(), endpoint.operation, endpoint.path, None, {}, None,
        datetime(2026, 11, 30, tzinfo=UTC), 0.0, error_format=endpoint.error_format,
    )  # fmt: skip


async def opened(endpoint: Endpoint, body: bytes) -> FormattedCall:
    assert endpoint.wire_format is not None
    translator = RequestTranslator(SystemClock(), {})
    return await translator.open(endpoint.wire_format, call_of(endpoint), PRINCIPAL, body)


async def test_request_becomes_a_chat_that_depends_on_the_model(endpoint: Endpoint) -> None:
    call = await opened(endpoint, b'{"ask": "hi"}')
    decoded = endpoint.decode(call_of(endpoint), call.chat_body, PRINCIPAL)
    request = decoded.for_model(RESOLVED)
    sent = json.loads(request.body)
    assert (request.path, sent["messages"][0]["content"]) == ("/v1/chat/completions", "hi")
    assert (sent["max_tokens"], sent["temperature"]) == (len(CHAT), 0)
    assert HINTS_FIELD not in sent


def test_body_alone_becomes_the_same_chat(endpoint: Endpoint) -> None:
    body = endpoint.internal_body(call_of(endpoint), b'{"ask": "hi"}')
    assert json.loads(body)["messages"] == [{"role": "user", "content": "hi"}]


def test_error_about_a_field_of_the_chat_names_that_of_the_format(endpoint: Endpoint) -> None:
    with pytest.raises(ParameterInvalid) as raised:
        endpoint.decode(call_of(endpoint), b'{"model": "m", "messages": []}', PRINCIPAL)
    assert raised.value.param == "ask"


async def test_whole_answer_is_encoded(endpoint: Endpoint) -> None:
    call = await opened(endpoint, b'{"ask": "hi"}')
    answer = b'{"choices": [{"message": {"content": "yes"}}]}'
    assert (await call.convert(replace(COMPLETE, tail=answer))).tail == b"YES"


async def test_answer_of_another_form_is_not_delivered(endpoint: Endpoint) -> None:
    call = await opened(endpoint, b'{"ask": "hi"}')
    with pytest.raises(UpstreamFailed):
        await call.convert(replace(COMPLETE, tail=b"{}"))


async def test_stream_is_encoded_to_its_end(endpoint: Endpoint) -> None:
    call = await opened(endpoint, b'{"ask": "hi", "aloud": true}')
    event = b'data: {"choices": [{"delta": {"content": "y"}}]}\n\n'
    started = replace(COMPLETE, stream_started=True)
    assert call.translate(event) == b"Y"
    assert call.end(started, b"data: [DONE]\n\n") == b"."
    assert call.end(replace(started, error=UpstreamFailed("x")), b"") == b"?"
    with pytest.raises(UpstreamFailed):
        call.translate(b"data: {}\n\n")


def test_error_has_the_shape_and_status_of_the_format(endpoint: Endpoint) -> None:
    call, error = call_of(endpoint), ParameterInvalid("no")
    result = failed_result(call, error)
    assert (result.status, result.tail) == (400, b"invalid_value True")
    assert client_status(call, error) == 418
