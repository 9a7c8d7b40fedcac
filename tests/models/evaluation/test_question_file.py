"""Question files: valid lines, and all problems with their lines and fields."""

import json
from typing import Any

import pytest

from models.evaluation import question_file
from models.evaluation.question_file import read_questions
from models.evaluation.scoring import Scoring

QUESTION = {"question": "How much pressure?", "expected": "0.5 MPa"}


def lines(*values: Any) -> bytes:
    return "\n".join(json.dumps(value, ensure_ascii=False) for value in values).encode()


def problems_of(*values: Any) -> list[tuple[int | None, str]]:
    return [(one.line, one.code) for one in read_questions(lines(*values)).problems.shown]


class TestValidFiles:
    def test_questions_have_messages_expectations_and_ids(self) -> None:
        messages = [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "哪种密封？"},
        ]
        file = read_questions(
            lines(
                QUESTION,
                {"messages": messages, "expected_any": ["机械密封", "mechanical seal"], "id": "q"},
                {"question": "x?", "expected_all": ["a", "b"], "vector_store_ids": ["vs_1"]},
                {"question": "x?", "expected": {"a": 1}},
                {"question": "x?", "expected": "B"},
                {"question": "x?", "expected": "low", "choices": ["low", "high"]},
                {"question": "x?", "expected": 5.0, "tolerance": 0.5},
                {"question": "x?", "expected": "seal", "scoring": "exact"},
            )
        )
        assert file.problems.count == 0
        assert [one.expectation.scoring.value for one in file.questions] == [
            *("number", "contains", "contains", "json", "choice", "choice", "number", "exact")
        ]
        first, second, third = file.questions[:3]
        assert (first.id, first.messages) == ("line-1", (("user", "How much pressure?"),))
        assert (second.id, second.text) == ("q", "哪种密封？")
        assert second.expectation.alternatives == (("机械密封",), ("mechanical seal",))
        assert third.vector_store_ids == ("vs_1",)
        assert file.questions[6].expectation.alternatives == (("5",),)
        assert file.questions[6].expectation.tolerance == "0.5"

    def test_scoring_of_the_run_replaces_the_default(self) -> None:
        content = lines(
            {"question": "x?", "expected": "seal"},
            {"question": "x?", "expected": {"a": 1}},
            {"question": "x?", "expected": "seal", "scoring": "contains"},
        )
        found = [
            one.expectation.scoring for one in read_questions(content, Scoring.EXACT).questions
        ]
        assert found == [Scoring.EXACT, Scoring.JSON, Scoring.CONTAINS]


class TestInvalidFiles:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"expected": None}, "expected_answer"),
            ({"expected_any": ["a"]}, "expected_answer"),
            ({"question": None}, "question"),
            ({"messages": [{"role": "user", "content": "x"}]}, "question"),
            ({"question": "  "}, "empty_text"),
            ({"question": "a\x00b"}, "nul_character"),
            ({"expected": "seal", "scoring": "number"}, "not_a_number"),
            ({"expected": "seal", "scoring": "choice"}, "not_a_choice"),
            ({"expected": "seal", "choices": ["low", "high"]}, "not_a_choice"),
            ({"expected": "seal", "scoring": "json"}, "wrong_form"),
            ({"expected": {}}, "wrong_form"),
            ({"expected": {"a": 1}, "scoring": "exact"}, "wrong_form"),
            ({"expected": "!?"}, "empty_text"),
            ({"tolerance": "much"}, "tolerance"),
            ({"id": "a\nb"}, "id"),
            ({"expected": True}, "wrong_type"),
            ({"answer": "x"}, "unknown_field"),
            ({"vector_store_ids": []}, "wrong_type"),
        ],
    )
    def test_invalid_field_is_named_with_its_line(self, change: Any, code: str) -> None:
        changed = {**QUESTION, **change}
        value = {name: item for name, item in changed.items() if item is not None}
        assert problems_of(QUESTION, value) == [(2, code)]

    def test_broken_encodings_and_nesting_are_problems(self) -> None:
        nested = b'{"question": "x", "expected": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}"
        surrogate = b'{"question": "\\ud800", "expected": "x"}'
        for content in (nested, surrogate, b"\xff\xfe\x00", b"[1, 2]", b"a;b\n1;2"):
            read = read_questions(content)
            assert read.problems.count > 0
            assert read.questions == ()

    def test_expected_all_is_scored_by_contains_only(self) -> None:
        value = {"question": "x?", "expected_all": ["a"], "scoring": "exact"}
        assert problems_of(value) == [(1, "wrong_form")]

    def test_last_message_must_be_the_users(self) -> None:
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
        assert problems_of({"messages": messages, "expected": "y"}) == [(1, "last_message")]

    def test_all_problems_are_reported_at_once(self) -> None:
        found = problems_of({**QUESTION, "id": "a"}, {"question": "x"}, {**QUESTION, "id": "a"})
        assert found == [(2, "expected_answer"), (3, "duplicate_id")]

    def test_empty_too_large_and_too_long_files_are_rejected(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert read_questions(b"\n").problems.shown[0].code == "empty_file"
        monkeypatch.setattr(question_file, "MAX_QUESTIONS", 1)
        assert problems_of(QUESTION, QUESTION) == [(None, "too_many_lines")]
        monkeypatch.setattr(question_file, "MAX_FILE_BYTES", 10)
        assert problems_of(QUESTION) == [(None, "file_too_large")]
