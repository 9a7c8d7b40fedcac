"""A language model's opinion on the judge's line: prompts, replies, joint probability, fit."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from models.decision_calibration.collecting import CollectionFailed
from models.line_reader.model_check.fitting import CheckedCase, checked, fit_check, fit_left_out
from models.line_reader.model_check.prompts import check_prompts, yes_margin
from models.line_reader.model_check.replies import ReplyCollector
from models.line_reader.model_check.verdict import CheckWeights, load_check, log_odds
from models.line_reader.training.outcomes import Outcome, choose_threshold

WEIGHTS = CheckWeights(1.0, 2.0, 1.0, 0.0, 0.6, 0.1, 0.9)


class TestPrompts:
    def test_both_end_with_the_question_and_the_line_with_its_heading(self) -> None:
        examples, plain = check_prompts("How hot?", "Oven | It runs at 80 °C.")
        assert examples[-1]["content"] == "Question: How hot?\nText: Oven | It runs at 80 °C."
        assert plain[-1]["content"].startswith("Text: Oven | It runs at 80 °C.\nQuestion: How hot?")

    def test_examples_are_the_same_for_every_question(self) -> None:
        first, second = (check_prompts(asked, "x")[0] for asked in ("a", "b"))
        assert first[:-1] == second[:-1]
        assert {one["content"] for one in first if one["role"] == "assistant"} == {"Yes", "No"}


class TestMargin:
    @pytest.mark.parametrize(
        ("tokens", "margin"),
        [
            ([("Yes", -0.1), ("No", -2.1)], 2.0),
            ([("no", -0.1), (" Yes", -3.1)], -3.0),
            ([("是", -1.0), ("否", -2.0)], 1.0),
            ([("Yes", -0.5), ("Maybe", -3.0)], 3.5),
            ([("Maybe", -0.5)], 0.0),
            ([], 0.0),
        ],
        ids=["yes", "no", "Chinese", "no `no`", "neither", "nothing"],
    )
    def test_log_odds_of_yes(self, tokens: list[tuple[str, float]], margin: float) -> None:
        assert yes_margin(tokens) == pytest.approx(margin)

    def test_words_in_several_spellings_count_together(self) -> None:
        tokens = [("Yes", math.log(0.2)), ("yes", math.log(0.2)), ("No", math.log(0.1))]
        assert yes_margin(tokens) == pytest.approx(math.log(4))


class TestVerdict:
    def test_probability_joins_judge_and_replies(self) -> None:
        assert WEIGHTS.probability(0.5, 0.0, 0.0) == pytest.approx(0.5)
        assert WEIGHTS.probability(0.5, 1.0, 0.0) > WEIGHTS.probability(0.5, 0.0, 1.0) > 0.5
        assert WEIGHTS.probability(0.2, 0.0, 0.0) < 0.5

    @pytest.mark.parametrize(
        ("probability", "asked"), [(0.09, False), (0.1, True), (0.89, True), (0.9, False)]
    )
    def test_model_is_asked_in_doubt_only(self, probability: float, asked: bool) -> None:
        assert WEIGHTS.is_in_doubt(probability) is asked

    @pytest.mark.parametrize(("probability", "odds"), [(0.0, -8), (1.0, 8), (0.5, 0), (1e-9, -8)])
    def test_log_odds_are_bounded(self, probability: float, odds: float) -> None:
        assert log_odds(probability) == odds

    def test_committed_weights_follow_judge_and_model(self) -> None:
        weights = load_check()
        assert min(weights.judge, weights.examples) > 0
        assert 0 < weights.asked_from < weights.threshold < weights.asked_to < 1

    def test_file_with_other_fields_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "weights.json"
        file.write_bytes(msgspec.json.encode(msgspec.to_builtins(WEIGHTS) | {"more": 1}))
        with pytest.raises(msgspec.ValidationError, match="more"):
            load_check(file)


def case(group: int, probability: float, is_right: bool, margin: float) -> CheckedCase:
    """A case whose replies tell what the judge does not."""
    outcome = Outcome(is_answerable=True, probability=probability, is_right=is_right)
    return CheckedCase(f"d{group}", outcome, (margin, margin / 2))


class TestFit:
    CASES = tuple(
        case(n % 9, 0.3 + 0.01 * (n % 40), is_right, (1.0 if is_right else -1.0) + 0.1 * (n % 5))
        for n, is_right in enumerate([True, True, False] * 40)
    )

    def test_replies_that_tell_right_from_wrong_decide(self) -> None:
        weights = fit_check(self.CASES)
        right, wrong = (checked(weights, one).probability for one in (self.CASES[0], self.CASES[2]))
        assert right > 0.8 > 0.2 > wrong

    def test_threshold_lets_few_wrong_answers_pass(self) -> None:
        weights, outcomes = fit_left_out(self.CASES)
        wrong = [one for one in outcomes if not one.is_right]
        passed = sum(one.probability >= weights.threshold for one in wrong)
        assert passed <= 0.03 * len(outcomes)
        assert weights.threshold == choose_threshold(outcomes)

    @pytest.mark.parametrize(("judged", "probability"), [(0.001, 0.0), (0.999, 1.0)])
    def test_judge_alone_decides_what_is_clear(self, judged: float, probability: float) -> None:
        assert (
            checked(fit_check(self.CASES), case(1, judged, True, -5.0)).probability == probability
        )

    def test_line_about_another_item_does_not_answer_whatever_the_model_says(self) -> None:
        weights = fit_check(self.CASES)
        one = replace(case(1, 0.5, True, 5.0), is_of_other_item=True)
        assert checked(weights, one).probability == 0.0


class TestReplies:
    PAIRS = (("How hot?", "80 °C."), ("How deep?", "Oven."))

    def collector(self, tmp_path: Path, answer: Any) -> ReplyCollector:
        transport = httpx.MockTransport(answer)
        return ReplyCollector("http://model/v1", "key", "m", tmp_path / "replies", transport)

    def test_replies_are_kept_and_not_asked_for_again(self, tmp_path: Path) -> None:
        asked: list[Any] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(json.loads(request.content))
            is_hot = "80 °C." in asked[-1]["messages"][-1]["content"]
            top = [{"token": "Yes" if is_hot else "No", "logprob": -0.1}]
            top.append({"token": "No" if is_hot else "Yes", "logprob": -2.1})
            content = [{"top_logprobs": top}]
            return httpx.Response(200, json={"choices": [{"logprobs": {"content": content}}]})

        seen: list[tuple[int, int]] = []
        for _ in range(2):
            found = self.collector(tmp_path, answer).collect(
                self.PAIRS, lambda *done: seen.append(done)
            )
        assert found[self.PAIRS[0]] == pytest.approx((2.0, 2.0))
        assert found[self.PAIRS[1]] == pytest.approx((-2.0, -2.0))
        assert (len(asked), seen[-1]) == (4, (2, 2))
        assert {one["max_tokens"] for one in asked} == {1}

    @pytest.mark.parametrize(
        ("response", "message"),
        [
            (httpx.Response(503), "responded with HTTP status 503"),
            (httpx.Response(200, json={"choices": [{}]}), "no log-probabilities"),
        ],
        ids=["unavailable", "without log-probabilities"],
    )
    def test_service_that_cannot_say_is_an_error(
        self, tmp_path: Path, response: httpx.Response, message: str
    ) -> None:
        collector = self.collector(tmp_path, lambda _: response)
        with pytest.raises(CollectionFailed, match=message):
            collector.collect(self.PAIRS, lambda _done, _total: None)
