"""Comparison of two model versions: scores, significance and verdict, computed manually."""

import json

import pytest

from models.industrial_llm.comparing import (
    TaskComparison,
    answer_score,
    compare_scores,
    decide_verdict,
    sign_test_p_value,
    text_similarity,
)
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import Example
from models.industrial_llm.scoring import SCORES, AnsweredExample


def of(task: str, wanted: str, answer: str, text: str = "x") -> float:
    return answer_score(AnsweredExample(Example(task, "own", "en", text, wanted), answer))


class TestAnswerScore:
    @pytest.mark.parametrize("task", TASKS)
    def test_expected_answer_has_score_1(self, task: str) -> None:
        wanted = {
            "extraction": json.dumps({"entities": [], "relations": []}),
            "severity": json.dumps({"severity": 2, "next_step": None}),
            "tool_choice": json.dumps({"tool": None, "arguments": {}}),
            "unknown": "I do not know: ask the plant.",
        }.get(task, "Leaking")
        assert of(task, wanted, wanted, text="C/O x") == 1
        assert task in SCORES

    def test_unneeded_refusal_has_score_0(self) -> None:
        assert of("unknown", "Water boils at 100 °C.", "I do not know.") == 0
        assert of("unknown", "Water boils at 100 °C.", "At 100 °C.") == 1

    def test_wrong_tool_arguments_have_score_0(self) -> None:
        wanted = json.dumps({"tool": "a", "arguments": {"x": 1}})
        assert of("tool_choice", wanted, json.dumps({"tool": "a", "arguments": {}})) == 0

    def test_added_errors_have_score_0(self) -> None:
        assert of("plain_text", "change oil", "a b c d e f", text="chg oil") == 0
        assert of("plain_text", "change out oil", "change oil", text="chg oil") == 0.5


class TestTextSimilarity:
    @pytest.mark.parametrize(
        ("answer", "wanted", "share"),
        [
            ("Tighten the gland", "tighten the gland.", 1),
            ("Tighten the nut", "Tighten the gland", 2 / 3),
            ("", "Tighten", 0),
            ("更换密封", "更换密封圈", 0.8),
            ("", "", 1),
            ("17", "18", 0),
        ],
    )
    def test_similarity_compares_words_or_chinese_characters(
        self, answer: str, wanted: str, share: float
    ) -> None:
        assert text_similarity(answer, wanted) == pytest.approx(share)


class TestSignTest:
    @pytest.mark.parametrize(
        ("better", "worse", "chance"),
        [(0, 0, 1), (4, 0, 1 / 16), (5, 0, 1 / 32), (7, 1, 9 / 256), (6, 1, 8 / 128), (1, 1, 0.75)],
    )
    def test_p_value_is_exact(self, better: int, worse: int, chance: float) -> None:
        assert sign_test_p_value(better, worse) == pytest.approx(chance)


class TestVerdict:
    def test_significant_improvement_beats_baseline(self) -> None:
        one = compare_scores([0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1])
        assert one == TaskComparison(6, 0.1667, 1.0, 5, 0)
        assert decide_verdict({"a": one}).beats

    def test_four_wins_are_not_significant(self) -> None:
        found = decide_verdict({"a": compare_scores([0, 0, 0, 0], [1, 1, 1, 1])})
        assert (found.beats, found.chance) == (False, 0.0625)

    def test_equal_scores_do_not_beat_baseline(self) -> None:
        assert not decide_verdict({"a": compare_scores([1, 0], [1, 0])}).beats

    def test_loss_over_two_percent_in_a_task_fails_verdict(self) -> None:
        """A loss of 3 in 100 exceeds the tolerance of 2 %."""
        much = compare_scores([0] * 20, [1] * 20)
        found = decide_verdict({"a": much, "b": compare_scores([1] * 100, [1] * 97 + [0] * 3)})
        assert (found.beats, found.why) == (False, "it falls behind in b")
        assert decide_verdict({"a": much, "b": compare_scores([1] * 100, [1] * 98 + [0] * 2)}).beats

    def test_single_lost_example_of_small_task_is_tolerated(self) -> None:
        much = compare_scores([0] * 20, [1] * 20)
        assert decide_verdict({"a": much, "b": compare_scores([1] * 10, [1] * 9 + [0])}).beats
        assert not decide_verdict(
            {"a": much, "b": compare_scores([1] * 10, [1] * 8 + [0] * 2)}
        ).beats

    def test_empty_or_unequal_scores_raise_value_error(self) -> None:
        with pytest.raises(ValueError, match="no examples to compare"):
            compare_scores([], [])
        with pytest.raises(ValueError, match="shorter"):
            compare_scores([1, 1], [1])
