"""Questions in the other language than the document's: their data and the examples from them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from models.grounding.answer import Grounding, is_not_found
from models.grounding.check import AnswerChecker
from models.grounding.draft import verify
from models.handbook.evaluation.questions import document_questions, technician_questions
from models.industrial_llm.tasks import grounded
from models.languages import language_of
from models.passages import NOT_FOUND_TEXTS, render_preface

MANUALS = {one.id: one for one in grounded.read_manuals()}
ASKED = grounded.read_cross_language_questions()
ANSWERED = [one for one in ASKED if one.answers_from]
HAN_RUN = re.compile(r"\s*[\u3400-\u9fff]+,?")
IGNORED = re.compile(r"[\s?？。，,.]+")


def bare(text: str) -> str:
    """A question without what may differ between two spellings of it."""
    return IGNORED.sub("", text).casefold()


def one_line_ids(one: grounded.CrossLanguageQuestion) -> str:
    return f"{one.id}-{one.question}"


def check(one: grounded.CrossLanguageQuestion, text: str) -> Grounding | None:
    """Verify an answer against the passage that it cites, as passage 1; None if unsupported."""
    passage = MANUALS[one.id].passages[one.cited - 1]
    checker = AnswerChecker(one.question, (passage,))
    found = verify(one.question, checker, text.replace("[*]", "[1]"))
    return found.grounding if found else None


class TestQuestions:
    def test_every_document_is_asked_once_or_twice_in_its_other_language(self) -> None:
        counts = Counter(one.id for one in ASKED)
        assert counts.keys() == MANUALS.keys()
        assert set(counts.values()) == {1, 2}
        for one in ASKED:
            assert language_of(one.question) != MANUALS[one.id].language, one.question

    def test_both_directions_have_half_of_the_questions_with_and_without_answer(self) -> None:
        for asked, least in ((ASKED, 160), (ANSWERED, 96)):
            counts = Counter(language_of(one.question) for one in asked)
            assert abs(counts["en"] - counts["zh"]) < 0.1 * len(asked)
            assert counts.total() >= least
        assert 0.35 < 1 - len(ANSWERED) / len(ASKED) < 0.45

    def test_numbers_of_passages_are_within_the_document(self) -> None:
        for one in ASKED:
            numbers = (one.answers_from, one.near, one.near_from)
            assert 0 <= min(numbers)
            assert max(numbers) <= len(MANUALS[one.id].passages)
            assert sum(map(bool, numbers)) <= 1

    def test_no_question_is_asked_twice_or_in_an_evaluation(self) -> None:
        others = [one.question for manual in MANUALS.values() for one in manual.questions]
        others += [one.question for one in grounded.read_handbook_questions()]
        others += [one.question for one in document_questions()]
        others += [one.question for one in technician_questions()]
        asked = [bare(one.question) for one in ASKED]
        assert len(set(asked)) == len(asked)
        assert not set(asked) & set(map(bare, others))


class TestAnswers:
    def test_answer_is_in_the_language_of_its_question_and_marked(self) -> None:
        for one in ASKED:
            text = one.answer
            if language_of(one.question) == "en":
                text = HAN_RUN.sub("", text)
                assert len(HAN_RUN.findall(one.answer)) <= 1, one.answer
            assert language_of(text) == language_of(one.question), one.answer
            assert ("[*]" in text) == bool(one.cited), one.answer
            assert text.count("[*]") in (0, 1, 2)

    def test_only_unanswerable_questions_have_exactly_the_statement_of_not_found(self) -> None:
        for one in ASKED:
            statement = NOT_FOUND_TEXTS[language_of(one.question)]
            assert one.answer.startswith(statement) == (not one.answers_from), one.answer
            assert is_not_found(one.answer) == (not one.answers_from), one.answer
            if not one.cited:
                assert one.answer == statement

    @pytest.mark.parametrize("one", ANSWERED, ids=one_line_ids)
    def test_cited_passage_has_all_that_the_answer_states(
        self, one: grounded.CrossLanguageQuestion
    ) -> None:
        assert check(one, one.answer) is Grounding.VERIFIED

    def test_cited_passage_has_the_neighbouring_fact_of_a_refusal(self) -> None:
        near = [one for one in ASKED if one.cited and not one.answers_from]
        assert len(near) > 40
        for one in near:
            fact = one.answer.removeprefix(NOT_FOUND_TEXTS[language_of(one.question)])
            assert check(one, fact.strip()) is Grounding.VERIFIED, one.answer

    def test_answer_with_another_figure_is_not_supported(self) -> None:
        with_figure = [one for one in ANSWERED if re.search(r" \d", one.answer)]
        assert len(with_figure) > 100
        for one in with_figure:
            assert check(one, re.sub(r" \d", " 77", one.answer, count=1)) is None, one.answer


def test_example_has_the_questions_language_and_is_in_its_documents_split() -> None:
    loaded = grounded.load(Path(), 0)
    held_out = {one.text: one for one in loaded.validation}
    in_training = {one.text: one for one in loaded.train}
    parts = Counter[bool]()
    for one in ASKED:
        manual = MANUALS[one.id]
        own = next(grounded._manual_examples(manual, manual.questions)).text
        (example,) = grounded._manual_examples(manual, [one])
        part = held_out if own in held_out else in_training
        assert part[example.text] == example
        assert example.language == language_of(one.question)
        assert example.text.startswith(render_preface(one.question, []).partition("\n\n")[0])
        assert example.text.endswith(one.question)
        parts[own in held_out] += 1
    assert min(parts[True], parts[False]) > 5
