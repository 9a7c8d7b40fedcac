"""What a short answer must hold."""

import pytest

from models.grounding.answer import Grounding
from models.grounding.check import AnswerChecker
from models.grounding.draft import GrowingDraft
from models.grounding.expectation import asks_for_several, lacks_asked_figure

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
