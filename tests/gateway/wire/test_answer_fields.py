"""Response fields that a client receives: OpenAI's fields, never the engine's internal fields."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.errors import UpstreamFailed
from gateway.wire.answer_fields import (
    ResponseIdentity,
    convert_embeddings,
    convert_generation,
    encode_chunk_event,
)
from gateway.wire.sse import StreamTransformer, StreamUsageOption

INTERNAL = """
    ec_transfer_params kv_transfer_params metrics prompt_logprobs prompt_text prompt_token_ids
    routed_experts stop_reason system_fingerprint token_ids""".split()
OWN = {key: {"a": [1]} for key in INTERNAL}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
# Texts that look like the fields that are removed.
TEXTS = st.text() | st.sampled_from(
    [
        '","stop_reason":1,"x":"',
        '"token_ids":[1],',
        '\\"kv_transfer_params\\":{}',
        "\\",
        '{"usage":',
    ]
)


def answer(key: str, said: Any) -> dict[str, Any]:
    choice = {"index": 0, key: said, "logprobs": None, "finish_reason": "stop"}
    return {"id": "c", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


def with_internals(value: dict[str, Any]) -> dict[str, Any]:
    choices = [dict(choice) for choice in value["choices"]]
    for choice in choices:
        for part in ("message", "delta"):
            if part in choice:
                choice[part] = {**OWN, **choice[part]}
    return {**OWN, **value, "choices": [{**choice, **OWN} for choice in choices], **OWN}


@given(TEXTS, st.booleans())
def test_chat_response_keeps_text_and_drops_internal_fields(text: str, ascii_only: bool) -> None:
    expected = answer("message", {"role": "assistant", "content": text, "tool_calls": []})
    body = json.dumps(with_internals(expected), ensure_ascii=ascii_only).encode(
        errors="surrogatepass"
    )
    assert json.loads(convert_generation(body)) == expected


@given(TEXTS)
def test_completion_response_keeps_text_and_drops_internal_fields(text: str) -> None:
    expected = answer("text", text)
    body = json.dumps(with_internals(expected)).encode()
    assert json.loads(convert_generation(body)) == expected


@given(TEXTS, st.sampled_from(["delta", "text"]))
def test_stream_chunk_keeps_text_and_drops_internal_fields(text: str, key: str) -> None:
    expected = answer(key, {"content": text} if key == "delta" else text)
    event = b"data: " + json.dumps(with_internals(expected)).encode() + b"\n\n"
    shown = StreamTransformer(StreamUsageOption.EVERY, 1, 1, 1 << 20).feed(event)
    assert json.loads(shown[6:]) == expected


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("part", ["message", "delta"])
def test_thoughts_have_both_names_whichever_the_engine_uses(name: str, part: str) -> None:
    body = json.dumps(answer(part, {"content": None, name: "Hm.\n"})).encode()
    encoded = convert_generation(body) if part == "message" else encode_chunk_event(body, True)[6:]
    shown = json.loads(encoded)["choices"][0][part]
    assert shown == {"content": None, "reasoning": "Hm.\n", "reasoning_content": "Hm.\n"}


def test_absent_thoughts_get_no_second_name() -> None:
    body = json.dumps(answer("message", {"content": "a", "reasoning": None})).encode()
    shown = json.loads(convert_generation(body))["choices"][0]["message"]
    assert shown == {"content": "a", "reasoning": None}


def test_identity_replaces_the_engines_model_name() -> None:
    body = json.dumps(answer("text", "a")).encode()
    identity = ResponseIdentity("sold-as", "priority")
    for encoded in (convert_generation(body, identity), encode_chunk_event(body, True, identity)):
        shown = json.loads(encoded.removeprefix(b"data: "))
        assert (shown["model"], shown["service_tier"]) == ("sold-as", "priority")


def test_usage_chunk_drops_internal_fields() -> None:
    tee = StreamTransformer(StreamUsageOption.LAST, 1, 1, 1 << 20)
    total = {"id": "c", "choices": [], "usage": USAGE}
    tee.feed(b"data: " + json.dumps({**OWN, **total}).encode() + b"\n\n")
    assert tee.usage_event is not None
    assert json.loads(tee.usage_event[6:]) == total


def test_embeddings_response_keeps_numbers_and_drops_internal_fields() -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.1, -1e-07]}
    expected = {"object": "list", "data": [vector], "model": "m", "usage": USAGE}
    body = json.dumps({**expected, "data": [{**vector, **OWN}], **OWN}).encode()
    assert json.loads(convert_embeddings(body)) == expected


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices":1}', b'{"usage":{}}'])
def test_invalid_engine_response_raises_upstream_failed(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        convert_generation(body)
