"""The input file of a batch: valid lines, and the problem of every other."""

import json
from typing import Any

import pytest

from gateway.batches.input_file import (
    MAX_LINES,
    FileProblem,
    InputLine,
    LineChecker,
    split_lines,
    whole_file_problem,
)

URL = "/v1/chat/completions"
LINE: dict[str, Any] = {
    "custom_id": "a",
    "method": "POST",
    "url": URL,
    "body": {"model": "m", "messages": []},
}


def check(*lines: Any) -> list[InputLine | FileProblem]:
    checker = LineChecker(URL, max_body_bytes=100)
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return [checker.check(number, text) for number, text in enumerate(texts, 1)]


def problem_of(line: Any) -> tuple[str, str | None]:
    (checked,) = check(line)
    assert isinstance(checked, FileProblem)
    assert checked.line == 1
    return checked.code, checked.param


def test_valid_line_keeps_the_bytes_of_its_body() -> None:
    text = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{ "model":"m" }}'
    assert check(text) == [InputLine(1, "a", "m", b'{ "model":"m" }')]


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        (b"{", "invalid_json_line", None),
        (b"[]", "invalid_json_line", None),
        (b'"text"', "invalid_json_line", None),
        (b'{"custom_id": "\xff"}', "invalid_json_line", None),
        (b"[" * 5000, "invalid_json_line", None),
        ({**LINE, "custom_id": ""}, "invalid_request", "custom_id"),
        ({**LINE, "custom_id": 5}, "invalid_request", "custom_id"),
        ({**LINE, "custom_id": "a\x00"}, "invalid_custom_id", "custom_id"),
        ({**LINE, "custom_id": "a" * 513}, "invalid_request", "custom_id"),
        ({**LINE, "method": "GET"}, "invalid_method", "method"),
        ({**LINE, "url": "/v1/embeddings"}, "invalid_url", "url"),
        ({**LINE, "body": "text"}, "invalid_json_line", None),
        ({**LINE, "body": {}}, "invalid_request", "body.model"),
        ({**LINE, "body": {"model": 1}}, "invalid_request", "body.model"),
        ({**LINE, "body": {"model": "m", "stream": True}}, "unsupported_parameter", "body.stream"),
        ({**LINE, "body": {"model": "m", "x": "y" * 100}}, "request_too_large", "body"),
        ({"custom_id": "a"}, "invalid_request", "method"),
    ],
)
def test_invalid_line_names_code_and_field(line: Any, code: str, param: str | None) -> None:
    assert problem_of(line) == (code, param)


def test_second_use_of_a_custom_id_names_the_first_line() -> None:
    first, second = check(LINE, LINE)
    assert isinstance(first, InputLine)
    assert isinstance(second, FileProblem)
    assert (second.code, second.line) == ("duplicate_custom_id", 2)
    assert "line 1" in second.message


def test_malformed_line_near_the_end_of_a_long_file_is_the_only_problem() -> None:
    lines: list[Any] = [{**LINE, "custom_id": str(number)} for number in range(1, 10_001)]
    lines[9_998] = b'{"custom_id": "9999", "method": "PO'
    problems = [one for one in check(*lines) if isinstance(one, FileProblem)]
    assert [(one.code, one.line) for one in problems] == [("invalid_json_line", 9_999)]


def test_lines_for_two_models_are_rejected() -> None:
    _, second = check(LINE, {**LINE, "custom_id": "b", "body": {"model": "other"}})
    assert isinstance(second, FileProblem)
    assert (second.code, second.param) == ("mismatched_model", "body.model")


def test_blank_lines_are_skipped_and_counted() -> None:
    assert list(split_lines(b"\xef\xbb\xbfa\n\n \r\nb\r\nc")) == [(1, b"a"), (4, b"b"), (5, b"c")]
    assert list(split_lines(b"")) == []


def test_number_of_lines_is_limited() -> None:
    assert whole_file_problem(MAX_LINES) is None
    for lines, code in ((0, "empty_file"), (MAX_LINES + 1, "too_many_tasks")):
        problem = whole_file_problem(lines)
        assert problem is not None
        assert problem.as_json()["code"] == code
