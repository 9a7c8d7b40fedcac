"""Scores of answers, by task."""

from typing import Any

import pytest

from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import Example
from models.industrial_llm.scoring import (
    SCORES,
    AnsweredExample,
    Figures,
    score_by_source,
    word_edit_distance,
)
from models.industrial_llm.tasks.extraction import dump_json
from models.industrial_llm.tasks.tools import list_tools


def scored(task: str, *pairs: tuple[str, str], text: str = "") -> Figures:
    """Return the figures of pairs (expected, answered)."""
    answered = [AnsweredExample(Example(task, "made_up", "en", text, a), b) for a, b in pairs]
    figures = score_by_source(task, answered)["made_up"]
    assert figures.pop("examples") == len(pairs)
    return figures


def found(*entities: tuple[str, str], relations: tuple[tuple[str, str, str], ...] = ()) -> str:
    return dump_json(
        {
            "entities": [{"text": text, "type": kind} for text, kind in entities],
            "relations": [{"head": a, "type": b, "tail": c} for a, b, c in relations],
        }
    )


class TestTaskScores:
    def test_every_task_has_a_score(self) -> None:
        assert set(SCORES) == set(TASKS)

    def test_scores_are_separate_per_source(self) -> None:
        answered = [
            AnsweredExample(Example("failure_mode", source, "en", "", "Noise"), answer)
            for source, answer in (("a", "Noise"), ("b", "Noise"), ("b", "Leaking"))
        ]
        assert score_by_source("failure_mode", answered) == {
            "a": {"examples": 1, "accuracy": 1.0},
            "b": {"examples": 2, "accuracy": 0.5},
        }


class TestLabelScore:
    def test_case_and_spaces_are_ignored_but_words_are_not(self) -> None:
        pairs = [("Plugged / choked", " plugged /  Choked"), ("Noise", "Noise and vibration")]
        assert scored("failure_mode", *pairs) == {"accuracy": 0.5}


class TestTermScore:
    @pytest.mark.parametrize("answer", ["喷嘴", "管口", "喷嘴，管口", " 喷嘴。"])
    def test_any_of_several_terms_is_correct(self, answer: str) -> None:
        assert scored("terms", ("喷嘴，管口", answer)) == {"accuracy": 1.0}

    @pytest.mark.parametrize("answer", ["", "，", "喷嘴阀", "nozzle"])
    def test_other_terms_are_wrong(self, answer: str) -> None:
        assert scored("terms", ("喷嘴，管口", answer)) == {"accuracy": 0.0}


class TestPlainTextScore:
    TEXT = "AB12 REPL hyd hose"
    WANTED = "<id> replace hydraulic hose"

    @pytest.mark.parametrize(
        ("answer", "reduction"),
        [
            (WANTED, 1),
            (TEXT, 0),
            ("<id> replace hyd hose", 2 / 3),
            ("<id> replace hydraulic", 2 / 3),  # a correct word is lost
            ("oil oil oil oil oil", -2 / 3),
        ],
    )
    def test_error_reduction_is_removed_minus_added_errors(
        self, answer: str, reduction: float
    ) -> None:
        figures = scored("plain_text", (self.WANTED, answer), text=self.TEXT)
        assert figures["token_error_reduction"] == pytest.approx(reduction, abs=1e-4)
        assert figures["whole_orders"] == (answer == self.WANTED)

    @pytest.mark.parametrize(
        ("first", "second", "words"), [("", "", 0), ("a b", "", 2), ("a b c", "a x c d", 2)]
    )
    def test_edit_distance_counts_words(self, first: str, second: str, words: int) -> None:
        assert word_edit_distance(first, second) == word_edit_distance(second, first) == words


class TestExtractionScore:
    WANTED = found(
        ("pump", "PhysicalObject"),
        ("seal", "PhysicalObject"),
        ("leaks", "State"),
        relations=(("pump", "hasPart", "seal"),),
    )

    def test_correct_answer_has_score_1_in_all_figures(self) -> None:
        assert set(scored("extraction", (self.WANTED, self.WANTED)).values()) == {1.0}

    def test_wrong_class_still_counts_as_span(self) -> None:
        answer = found(
            ("pump", "PhysicalObject"), ("seal", "PhysicalObject"), ("leaks", "Activity")
        )
        figures = scored("extraction", (self.WANTED, answer))
        assert figures["entity_f1"] == pytest.approx(2 / 3, abs=1e-4)
        assert figures["span_f1"] == 1
        assert figures["relation_f1"] == 0

    def test_repeated_entity_counts_once(self) -> None:
        wanted, answer = found(("pump", "State")), found(("pump", "State"), ("pump", "State"))
        figures = scored("extraction", (wanted, answer))
        assert figures["entity_f1"] == pytest.approx(2 / 3, abs=1e-4)

    @pytest.mark.parametrize(
        "answer", ["", "no JSON", "[]", '{"entities":1,"relations":[7]}', '{"entities":[']
    )
    def test_invalid_json_has_score_0(self, answer: str) -> None:
        figures = scored("extraction", (self.WANTED, answer))
        assert figures["valid_json"] == figures["entity_f1"] == 0


class TestSeverityScore:
    def test_grade_and_next_step_are_scored(self) -> None:
        pairs = [
            ('{"severity":3,"next_step":"check belts"}', '{"severity":3,"next_step":"check it"}'),
            ('{"severity":2,"next_step":null}', '{"severity":4,"next_step":null}'),
            ('{"severity":2,"next_step":null}', '{"severity":2,"next_step":"guess"}'),
        ]
        figures = scored("severity", *pairs)
        assert figures["valid_json"] == 1
        assert figures["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
        assert figures["grades_off"] == pytest.approx(2 / 3, abs=1e-4)
        assert figures["step_f1"] == figures["none_told"] == 0.5


class TestToolChoiceScore:
    def test_tool_and_arguments_are_scored(self) -> None:
        (tool, other) = (one.partition(" ")[0] for one in TASKS["tool_choice"].labels[:2])
        wanted = dump_json({"tool": tool, "arguments": {"torque": 5}})
        answers = [
            wanted,
            dump_json({"tool": tool, "arguments": {"torque": 6}}),
            dump_json({"tool": other, "arguments": {}}),
            dump_json({"tool": "made-up", "arguments": {}}),
        ]
        figures = scored("tool_choice", *((wanted, answer) for answer in answers))
        assert figures == {
            "valid_json": 0.75,
            "accuracy": 0.5,
            "with_arguments": 0.25,
            "with_equal_arguments": 0.25,
        }

    def test_no_tool_is_a_valid_choice_but_empty_answer_is_wrong(self) -> None:
        nothing = dump_json({"tool": None, "arguments": {}})
        figures = scored("tool_choice", (nothing, nothing), (nothing, ""))
        assert figures["accuracy"] == 0.5

    def test_arguments_are_equal_in_any_form_of_the_same_value(self) -> None:
        tool = next(one for one in list_tools() if one.route == "bearing_life")
        wanted = {"rotational_speed": 1450, "equivalent_load": {"value": 3, "unit": "kN"}}
        forms: list[Any] = [
            {"rotational_speed": {"value": 1450, "unit": "rpm"}, "equivalent_load": 3000},
            {"rotational_speed": "1450", "equivalent_load": {"value": 3000.0, "unit": "N"}},
            {"rotational_speed": 1450, "equivalent_load": 3},
            {"rotational_speed": 1450},
            {"rotational_speed": 1450, "equivalent_load": {"value": "x", "unit": "y"}},
            {"rotational_speed": 1450, "equivalent_load": {"value": None, "unit": ""}},
        ]
        calls = [dump_json({"tool": tool.id, "arguments": one}) for one in (wanted, *forms)]
        figures = scored("tool_choice", *((calls[0], call) for call in calls[1:]))
        assert figures["with_arguments"] == 0
        assert figures["with_equal_arguments"] == pytest.approx(2 / 6, abs=1e-4)


class TestUnknownScore:
    def test_admitted_and_answered_shares_are_scored(self) -> None:
        pairs = [
            ("我不知道:没有读数。", "我不知道。"),
            ("I do not know: no readings.", "It was 5 mm/s."),
            ("Remaining useful life.", "I do not know."),
            ("Remaining useful life.", "Life that remains."),
            ("Remaining useful life.", " "),
        ]
        figures = scored("unknown", *pairs)
        assert figures == {"admitted": 0.5, "answered": pytest.approx(1 / 3, abs=1e-4)}


class TestPassageScore:
    def test_fact_citation_and_admission_are_scored(self) -> None:
        pairs = [
            ("Every 500 hours [2].", "Every 500 hours [2]."),
            ("Every 500 hours [2].", "500 operating hours [1]."),
            ("Every 500 hours [2].", "Every 50 hours [2]."),
            ("F31 means heat: check it [1].", "F31 [1]."),
            ("每500小时 [1]。", "500小时 [1]。"),
            ("45 Nm [1].", "I do not know: 45 Nm [1]."),
            ("I do not know: it is not told.", "I do not know."),
            ("我不知道:段落中没有写明。", "每500小时 [1]。"),
            ("This is not in your documents.", "The documents do not state it."),
            ("您的资料中没有这项信息。资料只写了 3 kN [1]。", "3 kN [1]。"),
        ]
        figures = scored("passages", *pairs)
        told, marked = pytest.approx(3 / 6, abs=1e-4), pytest.approx(2 / 6, abs=1e-4)
        assert figures == {"told": told, "marked": marked, "admitted": 0.5}

    @pytest.mark.parametrize("task", ["passages", "grounded"])
    def test_answer_that_declines_states_no_facts(self, task: str) -> None:
        figures = scored(task, ("45 Nm [1].", "45 Nm is not stated in the passages [1]."))
        assert (figures["told"], figures["marked"]) == (0, 0)
