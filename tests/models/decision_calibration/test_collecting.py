"""Scores are collected from a service in both orders, stored, and not asked for twice."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from models.decision_calibration import labelled
from models.decision_calibration.collecting import CollectionFailed, ScoreCollector
from models.decision_calibration.command import ModelUnknown, find_weights
from models.decision_calibration.questions import Option, QuestionKind, TypedQuestion, predicate
from models.decision_calibration.tasks import handbook
from models.decision_calibration.tasks.labelled_question import LabelledQuestion
from models.training_data import TrainingDataMissing, default_directory
from tests.support.fakes.first_tokens import add_logprobs, choosing

MANY = TypedQuestion(QuestionKind.CHOICE, "Which?", tuple(Option(f"o{n}") for n in range(45)))
QUESTIONS = [
    LabelledQuestion("a", "The pump leaks.", predicate("It leaks."), 0),
    LabelledQuestion("b", "The fan hums.", MANY, 33),
]


class Service:
    """A service that prefers the right option and the letter A."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[str] = []
        self._status = status

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        prompt = body["messages"][-1]["content"]
        self.asked.append(prompt)
        answer = {"choices": [{"message": {"content": "A"}}]}
        chances = choosing({"true": 0.8, "false": 0.2, "o33": 0.9}, {"A": 3.0})
        add_logprobs(answer, body, chances(prompt))
        return httpx.Response(self._status, json=answer)


def collector(service: Service, folder: Path, model: str = "m") -> ScoreCollector:
    transport = httpx.MockTransport(service)
    return ScoreCollector("http://x/v1", "k", model, folder / "s.jsonl", transport=transport)


def ignore(_done: int, _total: int) -> None:
    pass


class TestScoreCollector:
    def test_scores_are_without_preference_for_a_letter(self, tmp_path: Path) -> None:
        first, second = collector(Service(), tmp_path).collect(QUESTIONS, ignore)
        assert first.scores[0] - first.scores[1] == pytest.approx(1.3863, abs=1e-3)
        assert max(range(45), key=lambda index: second.scores[index]) == 33

    def test_stored_scores_are_not_asked_for_again(self, tmp_path: Path) -> None:
        first = collector(Service(), tmp_path).collect(QUESTIONS[:1], ignore)
        service = Service()
        again = collector(service, tmp_path).collect(QUESTIONS, ignore)
        assert again[0] == first[0]
        # Three groups and a final round, each in both orders, about the input and about none.
        assert sum("The fan hums." in prompt for prompt in service.asked) == 8
        assert sum("Input:\n\nN/A" in prompt for prompt in service.asked) == 8
        assert len(service.asked) == 16

    def test_progress_counts_questions_of_this_task_only(self, tmp_path: Path) -> None:
        collector(Service(), tmp_path).collect(QUESTIONS[:1], ignore)
        told: list[tuple[int, int]] = []
        collector(Service(), tmp_path).collect(
            QUESTIONS[1:], lambda done, total: told.append((done, total))
        )
        others = len(QUESTIONS) - 1
        assert told == [(done, others) for done in range(others + 1)]

    def test_scores_of_another_model_are_not_used(self, tmp_path: Path) -> None:
        collector(Service(), tmp_path).collect(QUESTIONS[:1], ignore)
        service = Service()
        collector(service, tmp_path, "other").collect(QUESTIONS[:1], ignore)
        assert len(service.asked) == 4

    def test_equal_questions_are_asked_once_without_an_input(self, tmp_path: Path) -> None:
        service = Service()
        questions = [replace(QUESTIONS[0], id=str(n), context=f"Pump {n}.") for n in range(5)]
        found = replace(collector(service, tmp_path), concurrency=1).collect(questions, ignore)
        assert len(service.asked) == 2 * 5 + 2
        assert len({one.prior for one in found}) == 1

    def test_stored_scores_are_read_without_the_service(self, tmp_path: Path) -> None:
        first = collector(Service(), tmp_path).collect(QUESTIONS[:1], ignore)
        service = Service()
        assert collector(service, tmp_path).read_scored(QUESTIONS) == first
        assert service.asked == []

    def test_error_of_the_service_ends_the_collection(self, tmp_path: Path) -> None:
        with pytest.raises(CollectionFailed, match="500"):
            collector(Service(500), tmp_path).collect(QUESTIONS, ignore)


class TestLabelledQuestions:
    def test_statements_of_the_handbook_are_half_true(self) -> None:
        questions = handbook.load(Path())
        assert sum(one.truth for one in questions) * 2 == len(questions)
        assert len({one.id for one in questions}) == len(questions)

    @pytest.mark.parametrize("task", ["readings", "conversions", "shift_statements"])
    def test_made_up_statements_are_half_true_in_both_languages(self, task: str) -> None:
        questions = labelled.TASKS[task](Path())
        assert sum(one.truth for one in questions) * 2 == len(questions)
        english = [one for one in questions if one.question.instructions.startswith("The ")]
        assert len(english) * 2 == len(questions)

    @pytest.mark.parametrize("task", ["alarm_levels", "stock_levels", "shift_notes"])
    def test_made_up_answers_are_equally_frequent(self, task: str) -> None:
        counts = Counter(one.truth for one in labelled.TASKS[task](Path()))
        assert len(set(counts.values())) == 1

    def test_made_up_readings_have_their_level(self) -> None:
        for one in labelled.TASKS["alarm_levels"](Path()):
            *limits, _, value = (float(figure) for figure in re.findall(r"\d+\.?\d*", one.context))
            assert sum(value >= limit for limit in limits) == one.truth

    @pytest.mark.parametrize("task", labelled.TASKS)
    def test_no_input_is_fitted_with_and_held_out(self, task: str) -> None:
        try:
            split = labelled.load_split(task, default_directory(), 100)
        except TrainingDataMissing:
            pytest.skip("needs the training sets")
        sizes = len(split.fitting), len(split.held_out)
        assert 40 <= min(sizes) <= max(sizes) <= 100
        assert not {one.context for one in split.fitting} & {one.context for one in split.held_out}
        for one in (*split.fitting, *split.held_out):
            assert 0 <= one.truth < len(one.question.options)


def test_weights_of_an_unknown_model_are_an_error() -> None:
    with pytest.raises(ModelUnknown, match="no model"):
        find_weights("nothing", "cpu")
