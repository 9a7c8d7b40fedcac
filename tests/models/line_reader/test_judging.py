"""What questions and lines hold, what is quoted of a row, and how the judge decides."""

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.handbook.evaluation.questions import tuning_questions
from models.line_reader.comparing import EncodedLine, compare
from models.line_reader.encoder_file import EncoderFile, Floats
from models.line_reader.encoding import load_text_encoder
from models.line_reader.judging.concepts import PROPERTIES, THINGS, load_concepts
from models.line_reader.judging.features import build_candidates
from models.line_reader.judging.judge import (
    JudgeWeights,
    answer_features,
    load_judge,
    save_judge,
)
from models.line_reader.judging.question_facts import asks_for_fact, describe_question
from models.line_reader.judging.quoting import join_neighbours, quote_columns
from models.line_reader.judging.text_facts import describe_text
from models.line_reader.judging.words import content_words
from models.line_reader.lines import split_lines
from models.line_reader.training.judging import (
    AskedQuestion,
    EncodedDocument,
    EncodedQuestion,
    PlainDocument,
    as_documents,
    build_cases,
    fit_judge,
    with_absent_items,
)

CONCEPTS = load_concepts()
TABLE = "| Item | VK7-22 | VK7-55 |\n|---|---|---|\n| Trip | 86 °C | 94 °C |"


@pytest.mark.parametrize(
    ("chinese", "english", "name"),
    [
        ("轴承多烫要停", "how hot may the bearing get", "temperature"),
        ("谁管", "who handles", "responsible"),
    ],
)
def test_notion_has_words_in_both_languages(chinese: str, english: str, name: str) -> None:
    assert name in CONCEPTS.find(chinese) & CONCEPTS.find(english)


def test_things_and_properties_are_notions() -> None:
    names = {
        name
        for found in (CONCEPTS.chinese, CONCEPTS.english)
        for one in found.values()
        for name in one
    }
    assert names >= THINGS | PROPERTIES


def test_question_words_carry_no_meaning() -> None:
    assert content_words("泵的轴承多久换一次？") == {"泵", "轴承", "换一", "一次"}
    assert content_words("How often is the bearing changed?") == {"bearin", "change"}


@pytest.mark.parametrize(
    ("question", "kind"),
    [("谁签字？", "person"), ("Why must it be dry?", "reason"), ("多久换一次油？", "interval")],
)
def test_question_asks_for_a_kind(question: str, kind: str) -> None:
    assert kind in describe_question(CONCEPTS, question).kinds


def test_line_states_a_person_and_an_interval() -> None:
    facts = describe_text(CONCEPTS, "The filter is changed every month by Marta Quill.")
    assert facts.kinds >= {"person", "interval"}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many litres of oil?", True),
        ("E-52 是什么意思", True),
        ("谁负责？", True),
        ("什么是汽蚀，怎么避免？", False),
    ],
)
def test_only_documents_tell_facts_of_the_plant(question: str, expected: bool) -> None:
    assert asks_for_fact(CONCEPTS, question) is expected


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("At what temperature does the VK7-22 trip?", "Item: Trip; VK7-22: 86 °C"),
        (
            "At what temperature do the VK7-22 and the VK7-55 trip?",
            "Item: Trip; VK7-22: 86 °C; VK7-55: 94 °C",
        ),
        ("At what temperature does it trip?", "Item: Trip; VK7-22: 86 °C; VK7-55: 94 °C"),
    ],
    ids=["one", "both", "none named"],
)
def test_row_is_quoted_with_the_columns_of_the_asked_items(question: str, quoted: str) -> None:
    (row,) = split_lines(TABLE)
    assert quote_columns(question, row) == quoted


def test_sentence_is_joined_with_a_neighbour_that_is_nearly_as_good() -> None:
    lines = split_lines("# Pumps\nP1 feeds the press. P2 only cools.\n\n# Fans\nThe fan is off.")
    assert join_neighbours(lines, {0: 1.0, 1: 1.5, 2: 1.4}, 1) == (0, 1)
    assert join_neighbours(lines, {0: -1.0, 1: 1.5}, 1) == (1,)


def test_features_are_as_many_as_the_weights_of_the_committed_judge(
    encoder_file: EncoderFile, heads: Mapping[str, Floats]
) -> None:
    lines = split_lines("The pump P1 weighs 40 kg. Its oil is changed every 900 h.\n\n" + TABLE)
    encoder, judge = load_text_encoder(encoder_file, (), heads), load_judge()
    encoded = encoder.encode([line.shown for line in lines], 64)
    pairs = [EncodedLine(*pair) for pair in zip(lines, encoded, strict=True)]
    question = "How heavy is the pump P1?"
    compared = compare(heads, question, encoder.encode([question], 36)[0], pairs)
    candidates = build_candidates(judge.concepts, question, lines, compared)
    assert candidates.lines.shape == (len(lines), len(judge.weights.rank))
    features = answer_features(candidates, candidates.lines @ judge.weights.rank)
    assert features.shape == judge.weights.answer.shape
    assert np.isfinite(features).all()
    judged = judge.judge(question, lines, compared)
    assert 0 < judged.probability < 1


def test_stored_judge_is_loaded(tmp_path: Path) -> None:
    ones = np.ones(3, np.float32)
    save_judge(JudgeWeights(ones, ones, ones, ones, 0.25), tmp_path / "judge.npz")
    assert load_judge(tmp_path / "judge.npz").weights.threshold == 0.25


def test_judge_learns_from_questions_and_from_those_made_unanswerable(
    encoder_file: EncoderFile, heads: Mapping[str, Floats]
) -> None:
    lines = tuple(split_lines("\n".join(f"The pump P-{n} weighs {n} kg." for n in range(2, 10))))
    asked = tuple(AskedQuestion(f"weight of P-{n}", frozenset({n - 2})) for n in range(2, 10))
    document = with_absent_items(PlainDocument("pumps", lines, asked), random.Random(0))
    assert len(document.asked) > len(asked)
    encoder = load_text_encoder(encoder_file, (), heads)
    texts = encoder.encode([line.shown for line in lines], 64)
    pairs = tuple(EncodedLine(*pair) for pair in zip(lines, texts, strict=True))
    vectors = encoder.encode([one.text for one in document.asked], 36)
    questions = tuple(
        EncodedQuestion(one.text, one.lines, one.question, one.weight, encoded=vector)
        for one, vector in zip(document.asked, vectors, strict=True)
    )
    cases = list(build_cases(CONCEPTS, heads, EncodedDocument("pumps", pairs, questions)))
    made = [case for case in cases if case.weight < 1]
    assert len(made) > len(asked)
    assert not any(case.is_answerable or case.answers.any() for case in made)
    weights = fit_judge(cases, 0.5)
    assert all(case.is_right(weights.rank) for case in cases if case.is_answerable)


def test_documents_of_an_evaluation_have_the_lines_that_answer_as_they_are_quoted() -> None:
    (question,) = (one for one in tuning_questions() if one.id == "n001")
    (document,) = as_documents([question])
    (asked,) = document.asked
    quoted = [quote_columns(question.question, document.lines[one]) for one in asked.lines]
    assert quoted == ["项目: 额定扬程; LS65-250: 52 m"]
