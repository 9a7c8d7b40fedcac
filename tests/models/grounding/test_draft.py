"""Drafts that are checked while they grow."""

import pytest

from models.grounding.answer import Grounding
from models.grounding.check import AnswerChecker
from models.grounding.draft import MAX_SENTENCE_LENGTH, GrowingDraft

PASSAGES = (
    "Keep the level at least 1.5 m above the suction.",
    "Replace the return filter every 500 h; stop at 80 °C.",
)
CHECKER = AnswerChecker("How often?", PASSAGES)


def draft() -> GrowingDraft:
    return GrowingDraft("How often?", CHECKER)


def fed(*texts: str, is_cut: bool = False) -> tuple[GrowingDraft, list[str]]:
    """A finished draft, and what it released at each text and at the end."""
    growing = draft()
    released = [growing.feed(text) for text in texts]
    return growing, [*released, growing.finish(is_cut)]


class TestRelease:
    def test_sentence_is_released_with_its_mark_once_the_next_one_begins(self) -> None:
        growing, released = fed("Replace it every 500", " h", ".", " Stop at", " 80 °C [1].")
        assert released == [
            *("", "", "", "Replace it every 500 h [2]. "),
            *("", "Stop at 80 °C [2]."),
        ]
        assert growing.released == "".join(released)
        assert growing.grounding is Grounding.VERIFIED

    def test_sentence_without_a_claim_waits_for_a_supported_one(self) -> None:
        _, released = fed("So. ", "Stop at 80 °C. ", "Yes.")
        assert released == ["", "", "So. Stop at 80 °C [2]. ", "Yes."]

    def test_text_after_an_unsupported_sentence_is_not_released(self) -> None:
        growing, released = fed("Stop at 80 °C. ", "Every 600 h. ", "Keep 1.5 m.")
        assert "".join(released) == "Stop at 80 °C [2]. "
        assert growing.is_rejected
        assert growing.missing == ("600 h",)
        assert growing.text == "Stop at 80 °C. Every 600 h. Keep 1.5 m."

    @pytest.mark.parametrize("text", ["", "OK.", "\n"])
    def test_draft_that_ends_without_a_claim_is_rejected(self, text: str) -> None:
        growing, _ = fed(text)
        assert growing.is_rejected
        assert growing.missing == ()

    def test_statement_that_nothing_was_found_is_uniform(self) -> None:
        growing, released = fed("I do not know. ", "The moon is green. ", "Stop at 80 °C.")
        assert "".join(released) == "This is not in your documents. Stop at 80 °C [2]."
        assert (growing.grounding, growing.is_rejected) == (Grounding.NOT_FOUND, False)

    def test_unanswered_part_of_a_question_is_released(self) -> None:
        growing, released = fed("Stop at 80 °C. ", "The torque is not specified.")
        assert "".join(released) == "Stop at 80 °C [2]. The torque is not specified."
        assert growing.grounding is Grounding.VERIFIED

    def test_long_text_without_a_full_stop_is_checked_in_parts(self) -> None:
        growing = draft()
        for _ in range(MAX_SENTENCE_LENGTH // 10 + 2):
            growing.feed("moon rock ")
        assert growing.is_rejected


class TestCutAnswer:
    def test_incomplete_sentence_is_released_without_marks(self) -> None:
        growing, released = fed("Stop at 80 °C. ", "Every 60 [1]", is_cut=True)
        assert "".join(released) == "Stop at 80 °C [2]. Every 60 "
        assert growing.grounding is Grounding.VERIFIED

    def test_complete_last_sentence_is_checked(self) -> None:
        growing, released = fed("Stop at 80 °C. ", "Every 600 h.", is_cut=True)
        assert "".join(released) == "Stop at 80 °C [2]. "
        assert growing.is_rejected

    @pytest.mark.parametrize("text", ["", "Every 60"])
    def test_answer_without_a_complete_sentence_is_unchecked(self, text: str) -> None:
        growing, released = fed(text, is_cut=True)
        assert "".join(released) == text
        assert (growing.grounding, growing.is_rejected) == (Grounding.UNCHECKED, False)


class TestUncheckedDraft:
    def test_held_text_is_released_once_the_checks_end(self) -> None:
        growing = draft()
        assert growing.feed("I halt the conveyor. Now") == ""
        assert growing.is_rejected
        assert growing.release_unchecked() == "I halt the conveyor. Now"
        assert growing.feed(" it") == " it"
        assert growing.finish() == ""
        assert (growing.grounding, growing.is_rejected) == (Grounding.UNCHECKED, False)

    def test_text_is_held_only_while_it_may_be_released(self) -> None:
        growing, is_holding = draft(), []
        for text in ("", "Every 600", " h. And"):
            growing.feed(text)
            is_holding.append(growing.is_holding)
        assert is_holding == [False, True, False]


class TestShortAnswers:
    def test_repeated_sentence_is_released_once(self) -> None:
        growing, _ = fed("Stop at 80 °C [2]. ", "Stop at 80 °C [2]. ", "Stop at 80 °C [2].")
        assert growing.released == "Stop at 80 °C [2]. "
        assert growing.grounding is Grounding.VERIFIED

    def test_answer_ends_after_the_allowed_statements_whatever_follows(self) -> None:
        growing = GrowingDraft("How hot?", CHECKER, max_statements=1)
        growing.feed("Stop at 80 °C [2]. Then add 99 litres of paint.")
        growing.finish()
        assert growing.released == "Stop at 80 °C [2]. "
        assert not growing.is_rejected
