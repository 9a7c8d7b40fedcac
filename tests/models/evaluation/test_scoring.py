"""Scoring of answers by each method."""

import json
import time
from typing import Any

import pytest

from models.evaluation.scoring import (
    Expectation,
    Scoring,
    default_scoring,
    find_choice,
    score_answer,
)
from tests.support.nightly import nightly


def expect(scoring: Scoring, *texts: str, **more: Any) -> Expectation:
    return Expectation(scoring, tuple((text,) for text in texts), **more)


class TestDefaultScoring:
    @pytest.mark.parametrize(
        ("expected", "scoring"),
        [
            ("B", Scoring.CHOICE),
            ("0.5 MPa", Scoring.NUMBER),
            ("12", Scoring.NUMBER),
            ("4 bolts", Scoring.CONTAINS),
            ("机械密封", Scoring.CONTAINS),
            ("b", Scoring.CONTAINS),
        ],
    )
    def test_form_of_the_expected_answer_decides(self, expected: str, scoring: Scoring) -> None:
        assert default_scoring(expected) is scoring


class TestExactAndContains:
    def test_exact_compares_the_whole_answer(self) -> None:
        expected = expect(Scoring.EXACT, "Lockout", "上锁挂牌")
        assert score_answer("LOCKOUT.", expected).correct
        assert score_answer("上锁挂牌。", expected).correct
        assert not score_answer("Lockout and tagout", expected).correct

    def test_contains_needs_all_parts_of_one_alternative(self) -> None:
        all_parts = Expectation(Scoring.CONTAINS, (("seal", "bearing"),))
        assert score_answer("Bearing and seal.", all_parts).correct
        half = score_answer("The seal only.", all_parts)
        assert (half.correct, half.found) == (False, "seal")
        assert score_answer("A bearing [1].", expect(Scoring.CONTAINS, "seal", "bearing")).correct


class TestNumber:
    @pytest.mark.parametrize(
        ("answer", "correct", "found"),
        [
            ("The pressure is 5 bar [2].", True, "5 bar"),
            ("0.4 MPa", False, "0.4 MPa"),
            ("It must be 0.4 MPa, no: Answer: 0.5 MPa", True, "0.5 MPa"),
            ("答案：0.5 兆帕", True, "0.5 兆帕"),
            ("I do not know.", False, ""),
        ],
    )
    def test_first_quantity_of_the_kind_counts(
        self, answer: str, correct: bool, found: str
    ) -> None:
        score = score_answer(answer, expect(Scoring.NUMBER, "0.5 MPa"))
        assert (score.correct, score.found) == (correct, found)

    def test_one_of_several_expected_numbers_suffices(self) -> None:
        expected = expect(Scoring.NUMBER, "2000 h", "12 d", tolerance="10%")
        assert score_answer("12 days", expected).correct
        assert not score_answer("20 days", expected).correct


class TestChoice:
    @pytest.mark.parametrize(
        ("answer", "label"),
        [
            ("B", "B"),
            ("b)", "B"),
            ("(B) Replace the seal", "B"),
            ("**B.** Replace it", "B"),
            ("B, because it leaks", "B"),
            ("The answer is B.", "B"),
            ("所以答案：B", "B"),
            ("应选 C", "C"),
            ("A pump should run.", None),
            ("A, C", None),
            ("Option A or option B", None),
            ("", None),
        ],
    )
    def test_one_label_is_read(self, answer: str, label: str | None) -> None:
        assert find_choice(answer, ()) == label

    def test_listed_choice_must_be_the_only_one(self) -> None:
        choices = ("seal", "mechanical seal", "bearing")
        expected = expect(Scoring.CHOICE, "mechanical seal", choices=choices)
        assert score_answer("It is the mechanical seal.", expected).correct
        assert not score_answer("The seal.", expected).correct
        assert not score_answer("mechanical seal or bearing", expected).correct


EXPECTED: dict[str, Any] = {"asset": "Pump 2", "state": {"pressure": "0.5 MPa", "hot": True}}


class TestJson:
    def score(self, value: Any, **more: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value)
        return score_answer(text, Expectation(Scoring.JSON, fields=EXPECTED, **more))

    def test_equal_fields_are_correct_in_any_order_with_more_fields(self) -> None:
        answer = {"state": {"hot": True, "pressure": "5 bar", "x": 1}, "asset": "pump 2"}
        assert self.score(f"Here it is:\n```json\n{json.dumps(answer)}\n```").correct

    def test_wrong_and_missing_fields_are_named(self) -> None:
        score = self.score({"asset": "Pump 3", "state": {"hot": 1}})
        assert score.wrong_fields == ("asset", "state.pressure", "state.hot")

    @pytest.mark.parametrize("answer", ["", "no JSON", "{", "[1]", "{" * 5000, '{"a": 1' + "[" * 9])
    def test_answer_without_an_object_is_wrong(self, answer: str) -> None:
        assert not self.score(answer).correct

    def test_numbers_lists_and_null_are_compared_by_value(self) -> None:
        expected = Expectation(Scoring.JSON, fields={"n": 5, "l": [1, {"a": None}], "big": 10**400})
        assert score_answer(
            f'{{"n": 5.0, "l": [1, {{"a": null}}], "big": {10**400}}}', expected
        ).correct
        wrong = score_answer('{"n": "5", "l": [1], "big": 1}', expected)
        assert wrong.wrong_fields == ("n", "l", "big")

    def test_tolerance_applies_to_numbers(self) -> None:
        expected = Expectation(Scoring.JSON, fields={"n": 100}, tolerance="1%")
        assert score_answer('{"n": 101}', expected).correct
        assert not score_answer('{"n": 102}', expected).correct

    def test_found_text_can_be_stored(self) -> None:
        score = self.score('{"asset": "\\ud800 \\u0000"}')
        score.found.encode()
        assert "\x00" not in score.found


class TestLargeAnswers:
    @nightly
    @pytest.mark.parametrize(
        "answer", ["a " * 60_000, "1" + " " * 100_000, "{" * 100_000, "1," * 60_000, "选" * 100_000]
    )
    def test_long_answer_is_scored_in_linear_time(self, answer: str) -> None:
        expectations = [
            expect(Scoring.EXACT, "a"),
            expect(Scoring.CONTAINS, "a"),
            expect(Scoring.NUMBER, "5 bar"),
            expect(Scoring.CHOICE, "B"),
            expect(Scoring.CHOICE, "low", choices=("low", "high")),
            Expectation(Scoring.JSON, fields={"a": "5 bar"}),
        ]
        started = time.process_time()
        for expectation in expectations:
            score_answer(answer, expectation)
        text = json.dumps({"a": answer})
        score_answer(text, Expectation(Scoring.JSON, fields={"a": "5 bar"}))
        assert time.process_time() - started < 5
