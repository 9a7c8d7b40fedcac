"""What a short answer must hold."""

import pytest

from models.grounding.answer import Grounding
from models.grounding.check import AnswerChecker
from models.grounding.draft import GrowingDraft
from models.grounding.expectation import (
    asks_for_several,
    lacks_asked_figure,
    states_what_is_asked,
)

PASSAGE = (
    "Runout high on all parts: tailstock alignment. The runout of the WS-20 is at most 0.014 mm. "
    "The runout of the WS-25 is at most 0.02 mm."
)


@pytest.mark.parametrize(
    ("question", "sentence", "lacks"),
    [
        ("How much runout can it have?", "Runout high on all parts: alignment.", True),
        ("How much runout can it have?", "Runout is high: alignment.", True),
        ("How much runout can it have?", "At most 0.014 mm.", False),
        ("How often is it changed?", "At every shift.", False),
        ("How long is it?", "Three metres.", False),
        ("安全阀几公斤会起跳？", "安全阀由维修科校验。", True),
        ("多久换一次？", "每班换。", False),
        ("Why does it vibrate?", "The alignment.", False),
        ("How long is the stroke?", "Tighten to 185 N·m.", True),
        ("P-4 的滑块行程是多少？", "P-4 为 185 N·m，分两遍拧。", True),
        ("P-4 的滑块行程是多少？", "P-4 为 185 mm。", False),
        ("成形压力多大？", "870 kN。", False),
        ("At how much pressure does it open, at 80 °C?", "At 9.3 bar.", False),
        ("How long may it run?", "Up to 1500 clicks.", False),
        ("How far off may it read?", "By 0.25 bar.", False),
        ("How do I change it?", "Lock it out.", False),
    ],
)
def test_sentence_without_an_amount_lacks_what_is_asked(
    question: str, sentence: str, lacks: bool
) -> None:
    assert lacks_asked_figure(question, sentence) is lacks


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("两台压机分别多少件涂一次？", True),
        ("How fast do both belts run?", True),
        ("How fast does the belt run?", False),
        ("各种油能混用吗？", False),
    ],
)
def test_question_for_several_things_is_recognised(question: str, several: bool) -> None:
    assert asks_for_several(question) is several


@pytest.mark.parametrize(
    ("question", "sentence", "states"),
    [
        ("How much runout may the WS-20 have?", "Its runout may be 0.014 mm at most.", False),
        ("How much runout may a shaft have?", "The runout of a shaft is 0.014 mm at most.", True),
        ("How much runout may a shaft have?", "The runout of a shaft is set at 14 N·m.", False),
        ("How much runout may a shaft have?", "The runout of a shaft is measured.", False),
        ("How much runout may a shaft have?", "At most 0.014 mm.", False),
        ("挂具上的漆积到多厚要拿去脱漆？", "漆层厚于 1.5 mm 时送去脱漆。", True),
        ("回油过滤器换哪种滤芯？", "回油过滤器 F1 滤芯 R-118。", True),
        ("回油过滤器换哪种滤芯？", "回油过滤器的滤芯要定期换。", False),
        ("谁来换回油过滤器？", "回油过滤器 F1 滤芯 R-118。", False),
    ],
)
def test_sentence_states_what_is_asked_in_words_of_the_question(
    question: str, sentence: str, states: bool
) -> None:
    assert states_what_is_asked(question, sentence) is states


class TestShortDrafts:
    def test_supported_sentence_without_the_amount_is_rejected(self) -> None:
        question = "How much runout may the WS-20 have?"
        draft = GrowingDraft(question, AnswerChecker(question, (PASSAGE,)), 1)
        draft.feed("Runout high: tailstock alignment [1].")
        draft.finish()
        assert (draft.is_rejected, draft.lacks_answer, draft.released) == (True, True, "")

    def test_answer_to_a_question_for_two_things_has_two_statements(self) -> None:
        question = "How much runout may both shafts have?"
        draft = GrowingDraft(question, AnswerChecker(question, (PASSAGE,)), 1)
        draft.feed("WS-20: at most 0.014 mm [1]. WS-25: at most 0.02 mm [1]. Tailstock alignment.")
        draft.finish()
        assert "0.02 mm" in draft.released
        assert "Tailstock" not in draft.released
        assert draft.grounding is Grounding.VERIFIED

    def test_long_answer_may_state_the_amount_anywhere(self) -> None:
        question = "How much runout may the WS-20 have?"
        draft = GrowingDraft(question, AnswerChecker(question, (PASSAGE,)))
        draft.feed("Runout high: tailstock alignment [1]. At most 0.014 mm [1].")
        draft.finish()
        assert not draft.is_rejected


class TestDenials:
    QUESTION = "How much runout may the WS-20 shaft have?"
    PASSAGE = (
        "The runout of a WS-20 shaft is at most 0.014 mm. Shaft boxes carry one order sheet each."
    )
    DENIAL = "This is not in your documents."

    def released(self, text: str, is_cut: bool = False) -> tuple[str, Grounding | None]:
        draft = GrowingDraft(self.QUESTION, AnswerChecker(self.QUESTION, (self.PASSAGE,)), 1)
        for character in text:
            draft.feed(character)
        draft.finish(is_cut)
        return draft.released, draft.grounding

    def test_denial_before_what_is_asked_is_left_out(self) -> None:
        text = f"{self.DENIAL} The runout of a WS-20 shaft is at most 0.014 mm."
        assert self.released(text) == (
            "The runout of a WS-20 shaft is at most 0.014 mm [1].",
            Grounding.VERIFIED,
        )

    @pytest.mark.parametrize("is_cut", [False, True])
    def test_denial_alone_is_released_at_the_end(self, is_cut: bool) -> None:
        assert self.released("I do not know.", is_cut) == (self.DENIAL, Grounding.NOT_FOUND)

    def test_denial_before_something_else_is_kept(self) -> None:
        text = f"{self.DENIAL} Shaft boxes carry one order sheet each."
        kept = f"{self.DENIAL} Shaft boxes carry one order sheet each [1]."
        assert self.released(text) == (kept, Grounding.NOT_FOUND)

    def test_denial_before_an_unsupported_figure_is_kept_alone(self) -> None:
        text = f"{self.DENIAL} The runout of a WS-20 shaft is at most 0.02 mm."
        assert self.released(text) == (self.DENIAL, Grounding.NOT_FOUND)

    def test_denial_that_waits_is_held(self) -> None:
        draft = GrowingDraft(self.QUESTION, AnswerChecker(self.QUESTION, (self.PASSAGE,)), 1)
        assert draft.feed(f"{self.DENIAL} The") == ""
        assert draft.is_holding
