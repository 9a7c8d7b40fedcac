"""The training documents and the generated ones."""

import random
from pathlib import Path

import pytest

from models.handbook.evaluation.questions import DOCUMENTS as EVALUATED
from models.handbook.evaluation.questions import document_questions
from models.line_reader.lines import split_lines
from models.line_reader.training.documents import (
    TrainingDocument,
    ask_for_absent_items,
    bundle,
    read_manuals,
    read_own_documents,
    rename_codes,
)
from models.line_reader.training.specifications import generate, read_quantities


def test_question_is_answered_by_the_line_before_it(document: TrainingDocument) -> None:
    answers = {
        one.question: [document.lines[index].quoted for index in one.lines]
        for one in document.asked
    }
    assert answers == {
        "how heavy is P-1": ["The pump P-1 weighs 40 kg."],
        "P-1 weight": ["The pump P-1 weighs 40 kg."],
        "oil change": ["The oil of P-1 is changed every 900 h."],
        "how loud is it": [],
        "how many S-3": ["Part: seal S-3; Stock: 4"],
    }


def test_question_without_a_line_before_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("# A\n? what\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no line before"):
        list(read_own_documents(tmp_path))


def test_absent_items_are_of_the_family_and_not_in_the_document(
    document: TrainingDocument,
) -> None:
    asked = list(ask_for_absent_items(document, random.Random(1)))
    assert len(asked) == 3
    assert all(not one.lines and "P-1" not in one.question.split() for one in asked)


def test_renamed_codes_agree_in_lines_and_questions(document: TrainingDocument) -> None:
    renamed = rename_codes(document, random.Random(4))
    question = renamed.asked[0]
    (line,) = question.lines
    name = question.question.removeprefix("how heavy is ")
    assert name != "P-1"
    assert renamed.lines[line].text == f"The pump {name} weighs 40 kg."


def test_bundled_questions_keep_their_lines(document: TrainingDocument) -> None:
    (both,) = bundle([document, document], size=2)
    answers = [[both.lines[index].text for index in one.lines] for one in both.asked]
    assert answers[:5] == answers[5:]


def test_own_documents_have_thousands_of_questions_and_nothing_of_the_evaluation() -> None:
    own = list(read_own_documents())
    assert sum(len(one.asked) for one in own) > 2_000
    lines = {line.text for one in own for line in one.lines if len(line.text) > 12}
    asked = {one.question for document in own for one in document.asked}
    names = {question.document for question in document_questions()}
    evaluated = {
        line.text
        for name in names
        for line in split_lines((EVALUATED / name).read_text(encoding="utf-8"))
    }
    assert not lines & evaluated
    assert not asked & {question.question for question in document_questions()}


def test_manuals_of_the_language_model_have_answering_lines() -> None:
    manuals = list(read_manuals())
    assert len(manuals) == 140
    assert sum(bool(one.lines) for manual in manuals for one in manual.asked) > 400


def test_generated_lines_answer_for_their_item_and_quantity() -> None:
    quantities = {name: one for one in read_quantities() for name in one.names}
    others = split_lines("Breaks are at nine. Phones stay in the locker.")
    for document in generate(6, 1, others):
        assert document == next(iter([document]))
        assert document.lines[-1].text in {line.text for line in others}
        answered = [one for one in document.asked if one.lines]
        assert len(answered) > 8
        assert all(len(one.lines) == 1 for one in answered)
        named = [
            any(name in document.lines[next(iter(one.lines))].text for name in quantities)
            for one in answered
        ]
        assert all(named)


def test_generated_documents_are_the_same_for_a_seed() -> None:
    others = split_lines("Breaks are at nine.")
    assert list(generate(2, 7, others)) == list(generate(2, 7, others))
