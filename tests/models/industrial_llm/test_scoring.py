"""What counts as right, task by task."""

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


def scored(task: str, *pairs: tuple[str, str], text: str = "") -> Figures:
    """The figures of (wanted, answered)."""
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


class TestScore:
    def test_every_task_has_one(self) -> None:
        assert set(SCORES) == set(TASKS)

    def test_sources_are_apart(self) -> None:
        answered = [
            AnsweredExample(Example("failure_mode", source, "en", "", "Noise"), answer)
            for source, answer in (("a", "Noise"), ("b", "Noise"), ("b", "Leaking"))
        ]
        assert score_by_source("failure_mode", answered) == {
            "a": {"examples": 1, "accuracy": 1.0},
            "b": {"examples": 2, "accuracy": 0.5},
        }


class TestLabels:
    def test_case_and_blanks_do_not_matter_but_words_do(self) -> None:
        pairs = [("Plugged / choked", " plugged /  Choked"), ("Noise", "Noise and vibration")]
        assert scored("failure_mode", *pairs) == {"accuracy": 0.5}


class TestTerms:
    @pytest.mark.parametrize("answer", ["喷嘴", "管口", "喷嘴，管口", " 喷嘴。"])
    def test_one_of_several_is_enough(self, answer: str) -> None:
        assert scored("terms", ("喷嘴，管口", answer)) == {"accuracy": 1.0}

    @pytest.mark.parametrize("answer", ["", "，", "喷嘴阀", "nozzle"])
    def test_others_are_wrong(self, answer: str) -> None:
        assert scored("terms", ("喷嘴，管口", answer)) == {"accuracy": 0.0}


class TestPlainText:
    TEXT = "AB12 REPL hyd hose"
    WANTED = "<id> replace hydraulic hose"

    @pytest.mark.parametrize(
        ("answer", "reduction"),
        [
            (WANTED, 1),
            (TEXT, 0),
            ("<id> replace hyd hose", 2 / 3),
            ("<id> replace hydraulic", 2 / 3),  # what was right is lost
            ("oil oil oil oil oil", -2 / 3),
        ],
    )
    def test_errors_gone_less_errors_made(self, answer: str, reduction: float) -> None:
        figures = scored("plain_text", (self.WANTED, answer), text=self.TEXT)
        assert figures["token_error_reduction"] == pytest.approx(reduction, abs=1e-4)
        assert figures["whole_orders"] == (answer == self.WANTED)

    @pytest.mark.parametrize(
        ("first", "second", "words"), [("", "", 0), ("a b", "", 2), ("a b c", "a x c d", 2)]
    )
    def test_distance_in_words(self, first: str, second: str, words: int) -> None:
        assert word_edit_distance(first, second) == word_edit_distance(second, first) == words


class TestExtraction:
    WANTED = found(
        ("pump", "PhysicalObject"),
        ("seal", "PhysicalObject"),
        ("leaks", "State"),
        relations=(("pump", "hasPart", "seal"),),
    )

    def test_all_right(self) -> None:
        assert set(scored("extraction", (self.WANTED, self.WANTED)).values()) == {1.0}

    def test_a_wrong_class_keeps_the_span(self) -> None:
        answer = found(
            ("pump", "PhysicalObject"), ("seal", "PhysicalObject"), ("leaks", "Activity")
        )
        figures = scored("extraction", (self.WANTED, answer))
        assert figures["entity_f1"] == pytest.approx(2 / 3, abs=1e-4)
        assert figures["span_f1"] == 1
        assert figures["relation_f1"] == 0

    def test_twice_the_same_counts_once(self) -> None:
        wanted, answer = found(("pump", "State")), found(("pump", "State"), ("pump", "State"))
        figures = scored("extraction", (wanted, answer))
        assert figures["entity_f1"] == pytest.approx(2 / 3, abs=1e-4)

    @pytest.mark.parametrize(
        "answer", ["", "no JSON", "[]", '{"entities":1,"relations":[7]}', '{"entities":[']
    )
    def test_what_is_no_such_json_is_wrong_and_invalid(self, answer: str) -> None:
        figures = scored("extraction", (self.WANTED, answer))
        assert figures["valid_json"] == figures["entity_f1"] == 0


class TestSeverity:
    def test_grades_and_steps(self) -> None:
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


class TestToolChoice:
    def test_tool_and_arguments(self) -> None:
        (tool, other) = (one.partition(" ")[0] for one in TASKS["tool_choice"].labels[:2])
        wanted = dump_json({"tool": tool, "arguments": {"torque": 5}})
        answers = [
            wanted,
            dump_json({"tool": tool, "arguments": {"torque": 6}}),
            dump_json({"tool": other, "arguments": {}}),
            dump_json({"tool": "made-up", "arguments": {}}),
        ]
        figures = scored("tool_choice", *((wanted, answer) for answer in answers))
        assert figures == {"valid_json": 0.75, "accuracy": 0.5, "with_arguments": 0.25}

    def test_no_tool_is_a_choice_and_no_answer_is_none(self) -> None:
        nothing = dump_json({"tool": None, "arguments": {}})
        figures = scored("tool_choice", (nothing, nothing), (nothing, ""))
        assert figures["accuracy"] == 0.5


class TestUnknown:
    def test_admitting_and_answering(self) -> None:
        pairs = [
            ("我不知道:没有读数。", "我不知道。"),
            ("I do not know: no readings.", "It was 5 mm/s."),
            ("Remaining useful life.", "I do not know."),
            ("Remaining useful life.", "Life that remains."),
            ("Remaining useful life.", " "),
        ]
        figures = scored("unknown", *pairs)
        assert figures == {"admitted": 0.5, "answered": pytest.approx(1 / 3, abs=1e-4)}


class TestPassages:
    def test_told_marked_and_admitted(self) -> None:
        pairs = [
            ("Every 500 hours [2].", "Every 500 hours [2]."),
            ("Every 500 hours [2].", "500 operating hours [1]."),
            ("Every 500 hours [2].", "Every 50 hours [2]."),
            ("F31 means heat: check it [1].", "F31 [1]."),
            ("每500小时 [1]。", "500小时 [1]。"),
            ("45 Nm [1].", "I do not know: 45 Nm [1]."),
            ("I do not know: it is not told.", "I do not know."),
            ("我不知道:段落中没有写明。", "每500小时 [1]。"),
        ]
        figures = scored("passages", *pairs)
        told, marked = pytest.approx(3 / 6, abs=1e-4), pytest.approx(2 / 6, abs=1e-4)
        assert figures == {"told": told, "marked": marked, "admitted": 0.5}
