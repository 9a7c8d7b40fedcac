"""Chat completions become messages, and errors get Anthropic's shape."""

import json
from typing import Any

import pytest

from gateway.call import errors
from gateway.wire.format import UNREADABLE
from gateway.wire.messages.answer import convert_completion
from gateway.wire.messages.errors import message_error
from infra.errors import AppError


def completion(message: dict[str, Any], finish_reason: str = "stop", **usage: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    counts = {"prompt_tokens": 7, "completion_tokens": 5, **usage}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": counts}).encode()


def message(*args: Any, **usage: Any) -> dict[str, Any]:
    converted: dict[str, Any] = json.loads(convert_completion(completion(*args, **usage), "msg_1"))
    return converted


class TestMessage:
    def test_text_is_one_block(self) -> None:
        assert message({"content": "Hello"}) == {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 7,
                "output_tokens": 5,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
        }

    def test_thoughts_come_first_and_tool_calls_last(self) -> None:
        calls = [{"id": "t1", "function": {"name": "weather", "arguments": '{"city":"x"}'}}]
        thinking, text, use = message(
            {"reasoning_content": "hm", "content": "Look.", "tool_calls": calls}, "tool_calls"
        )["content"]
        assert thinking == {"type": "thinking", "thinking": "hm", "signature": ""}
        assert text["text"] == "Look."
        assert use == {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "x"}}

    @pytest.mark.parametrize(
        ("finish_reason", "calls", "reason"),
        [
            ("stop", None, "end_turn"),
            ("length", None, "max_tokens"),
            ("content_filter", None, "refusal"),
            ("stop", [{"id": "t", "function": {"name": "n", "arguments": "{}"}}], "tool_use"),
            ("length", [{"id": "t", "function": {"name": "n", "arguments": '{"a'}}], "max_tokens"),
        ],
    )
    def test_stop_reason_follows_from_the_finish_reason(
        self, finish_reason: str, calls: Any, reason: str
    ) -> None:
        found = message({"content": None, "tool_calls": calls}, finish_reason)
        assert found["stop_reason"] == reason

    def test_input_of_a_call_that_was_cut_is_empty(self) -> None:
        calls = [{"id": "t", "function": {"name": "n", "arguments": '{"a'}}]
        assert message({"tool_calls": calls}, "length")["content"][0]["input"] == {}

    def test_cached_input_tokens_are_counted_apart(self) -> None:
        usage = message({"content": "a"}, prompt_tokens_details={"cached_tokens": 4})["usage"]
        assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (3, 4)

    def test_tokens_of_thoughts_are_a_part_of_the_output(self) -> None:
        details = {"reasoning_tokens": 2}
        usage = message({"content": "a"}, completion_tokens_details=details)["usage"]
        assert usage["output_tokens_details"] == {"thinking_tokens": 2}

    @pytest.mark.parametrize(
        "body", [b"{}", b"\xff", completion({"content": 1}), completion({"tool_calls": [{}]})]
    )
    def test_response_that_cannot_be_converted_raises(self, body: bytes) -> None:
        with pytest.raises(UNREADABLE):
            convert_completion(body, "msg_1")


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "status", "kind"),
        [
            (errors.ParameterInvalid("x"), 400, "invalid_request_error"),
            (errors.KeyInvalid("x"), 401, "authentication_error"),
            (errors.CreditExhausted("x"), 402, "billing_error"),
            (errors.BudgetExhausted("x"), 402, "billing_error"),
            (errors.CreditReserved("x"), 429, "rate_limit_error"),
            (errors.ModelNotAllowed("x"), 403, "permission_error"),
            (errors.ModelNotFound("x"), 404, "not_found_error"),
            (errors.IdempotencyKeyBusy("x"), 409, "invalid_request_error"),
            (errors.BodyTooLarge("x"), 413, "request_too_large"),
            (errors.RateLimited("x"), 429, "rate_limit_error"),
            (errors.InternalError("x"), 500, "api_error"),
            (errors.UpstreamUnreachable("x"), 503, "api_error"),
            (errors.UpstreamTimeout("x"), 504, "timeout_error"),
            (errors.UpstreamBusy("x"), 529, "overloaded_error"),
        ],
    )
    def test_error_has_anthropics_status_and_type(
        self, error: AppError, status: int, kind: str
    ) -> None:
        found, body = message_error(error, "req_1")
        value = json.loads(body)
        assert (found, value["type"], value["request_id"]) == (status, "error", "req_1")
        assert value["error"] == {
            "type": kind,
            "message": "x",
            "param": None,
            "code": error.code,
        }
