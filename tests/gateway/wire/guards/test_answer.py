"""Guarded answers and bodies: which texts are checked, and what a refusal leaves."""

import json
from typing import Any

import pytest

from gateway.call.errors import BodyNotJson, ContentFiltered, ParameterUnsupported
from gateway.wire.guards.answer import check_answer
from gateway.wire.guards.request import check_body
from tests.support.gateway.checking import PHONE, check


def answer(*messages: dict[str, Any], **fields: Any) -> bytes:
    choices = [
        {"index": n, "message": one, "finish_reason": "stop", "logprobs": {"content": []}}
        for n, one in enumerate(messages)
    ]
    return json.dumps({"id": "c", "choices": choices, **fields}).encode()


def test_refused_choice_has_no_text_and_the_other_one_is_kept() -> None:
    good = {"role": "assistant", "content": "good"}
    body, is_refused = check_answer(answer({"role": "assistant", "content": "bad"}, good), check)
    first, second = json.loads(body)["choices"]
    assert is_refused
    assert first["message"] == {"role": "assistant", "content": ""}
    assert (first["finish_reason"], first["logprobs"]) == ("content_filter", None)
    assert (second["message"], second["finish_reason"]) == (good, "stop")


def test_masked_message_loses_what_points_into_its_text() -> None:
    message = {"role": "assistant", "content": f"Call {PHONE}", "annotations": [{"index": 3}]}
    body, is_refused = check_answer(answer(message), check)
    (choice,) = json.loads(body)["choices"]
    assert not is_refused
    assert choice["message"] == {"role": "assistant", "content": "Call <PHONE>"}
    assert choice["logprobs"] is None


def test_arguments_of_a_call_stay_json() -> None:
    function = {"name": "dial", "arguments": json.dumps({"to": PHONE, "n": 1})}
    call = {"id": "c1", "type": "function", "function": function}
    body, _ = check_answer(answer({"role": "assistant", "tool_calls": [call]}), check)
    checked = json.loads(body)["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(checked["function"]["arguments"]) == {"to": "<PHONE>", "n": 1}
    assert (checked["id"], checked["function"]["name"]) == ("c1", "dial")


@pytest.mark.parametrize("name", ["name", "id", "detail", "format", "role", "type", "data", "file"])
def test_arguments_are_checked_under_names_that_the_api_uses(name: str) -> None:
    arguments = {"to": [{name: PHONE}]}
    function = {"name": "dial", "arguments": json.dumps(arguments)}
    call = {"id": "c1", "type": "function", "function": function}
    body, _ = check_answer(answer({"role": "assistant", "tool_calls": [call]}), check)
    checked = json.loads(body)["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(checked["function"]["arguments"]) == {"to": [{name: "<PHONE>"}]}
    used = {"type": "tool_use", "id": PHONE, "name": "dial", "input": arguments}
    messages = [{"role": "assistant", "content": [used]}]
    sent = json.loads(check_body(json.dumps({"messages": messages}).encode(), ("messages",), check))
    (part,) = sent["messages"][0]["content"]
    assert part == {**used, "input": {"to": [{name: "<PHONE>"}]}}


def test_retrieved_passages_are_checked_too() -> None:
    body, is_refused = check_answer(answer(file_search={"results": [{"text": "bad"}]}), check)
    assert not is_refused
    assert "file_search" not in json.loads(body)


def test_texts_of_all_messages_are_checked_and_files_are_kept() -> None:
    parts = [
        {"type": "text", "text": f"Call {PHONE}"},
        {"type": "image_url", "image_url": {"url": f"data:{PHONE}"}},
    ]
    messages = [{"role": "system", "content": PHONE}, {"role": "user", "content": parts}]
    body = json.dumps({"model": PHONE, "messages": messages}).encode()
    checked = json.loads(check_body(body, ("messages", "system"), check))
    assert checked["model"] == PHONE
    assert checked["messages"][0]["content"] == "<PHONE>"
    assert [part.get("text") for part in checked["messages"][1]["content"]] == [
        "Call <PHONE>", None
    ]  # fmt: skip
    assert checked["messages"][1]["content"][1] == parts[1]


def test_duplicate_key_cannot_hide_a_text() -> None:
    body = b'{"messages": [{"role": "user", "content": "bad", "content": "fine"}]}'
    assert b"bad" not in check_body(body, ("messages",), check)


def test_refused_body_names_the_field_and_not_the_text() -> None:
    with pytest.raises(ContentFiltered) as raised:
        check_body(b'{"input": ["fine", "bad"]}', ("input",), check)
    assert (raised.value.status, raised.value.code) == (400, "content_filter")
    assert raised.value.param == "input"
    assert "bad" not in raised.value.message


@pytest.mark.parametrize("tokens", ["[1, 2]", "[[1, 2]]"])
def test_token_ids_are_refused(tokens: str) -> None:
    with pytest.raises(ParameterUnsupported):
        check_body(f'{{"input": {tokens}}}'.encode(), ("input",), check)


def test_body_that_is_not_json_or_too_deep_is_an_error() -> None:
    with pytest.raises(BodyNotJson):
        check_body(b"{", ("messages",), check)
    nested = '{"messages": ' + "[" * 200 + "]" * 200 + "}"
    with pytest.raises(BodyNotJson):
        check_body(nested.encode(), ("messages",), check)
