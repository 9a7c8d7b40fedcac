"""Sentences of answers compared with the passages."""

import pytest

from models.grounding.check import AnswerChecker

PASSAGES = (
    "A cavitating pump sounds as if it moves gravel. Keep the level at least 1.5 m above the "
    "suction and close valve F3 by 10 %. LOTO means lockout/tagout.",
    "Replace the return filter F3 every 500 h; stop at 80–90 °C. Call Li Ming about 6205-2RS.",
    "回油滤芯每两周检查一次，油温超过60 °C时停机，并通知班长。",
)
QUESTION = "How often is filter F3 changed, is 70 °C too hot?"


@pytest.fixture(scope="module")
def checker() -> AnswerChecker:
    return AnswerChecker(QUESTION, PASSAGES)


@pytest.mark.parametrize(
    ("answer", "passages"),
    [
        ("Replace it every 500 hours [1].", (2,)),
        ("Stop at 80 ℃.", (2,)),
        ("Stop at 90 degrees Celsius.", (2,)),
        ("Keep the level 1.5 m above the suction [1].", (1,)),
        ("70 °C is below 80 °C, where you stop.", (2,)),
        ("Call Li Ming about the 6205 2RS.", (2,)),
        ("LOTO means lockout/tagout.", (1,)),
        ("油温超过60 °C时停机。", (3,)),
        ("滤芯每2周检查一次。", (3,)),
    ],
    ids=[
        *("unit in words", "other sign of the unit", "end of a range", "decimal number"),
        *("figure of the question", "code in other spacing", "acronym", "Chinese", "number word"),
    ],
)
def test_supported_sentence_cites_the_passage_that_has_its_claims(
    checker: AnswerChecker, answer: str, passages: tuple[int, ...]
) -> None:
    (sentence,) = checker.check(answer)
    assert sentence.is_supported
    assert sentence.citations == passages


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("Replace it every 600 h [2].", "600 h"),
        ("Replace it every 500 days [2].", "500 days"),
        ("LOTO is a Lottery for operators [1].", "Lottery"),
        ("Call Wang Wei about the filter [2].", "Wang Wei"),
        ("Use the 6206-2RS for this pump [2].", "6206-2rs"),
        ("The OEM replaces the filter [2].", "OEM"),
        ("油温超过65 °C时停机[3]。", "65 °c"),
        ("请联系“设备科”更换滤芯[3]。", "设备科"),
    ],
    ids=[
        *("figure", "unit", "invented expansion", "person", "code", "acronym"),
        *("Chinese figure", "quoted name"),
    ],
)
def test_sentence_with_a_claim_of_no_passage_names_the_claim(
    checker: AnswerChecker, answer: str, missing: str
) -> None:
    (sentence,) = checker.check(answer)
    assert sentence.supported_by == ()
    assert missing in sentence.missing


def test_claims_of_one_sentence_must_be_in_the_same_passage(checker: AnswerChecker) -> None:
    (sentence,) = checker.check("Replace it every 500 h and keep the level 1.5 m above.")
    assert not sentence.is_supported


def test_passage_in_both_languages_supports_sentences_in_each() -> None:
    checker = AnswerChecker("F3?", ("Check the motor cable for a short circuit. 先检查电机电缆。",))
    assert all(one.supported_by for one in checker.check("Check the motor cable. 检查电机电缆。"))


def test_sentence_in_words_of_no_passage_is_not_supported(checker: AnswerChecker) -> None:
    (sentence,) = checker.check("The moon consists of green cheese.")
    assert sentence.missing == ("The moon consists of green cheese.",)


def test_correct_citation_is_kept_and_wrong_one_is_replaced(checker: AnswerChecker) -> None:
    right, wrong = checker.check("Stop at 80 °C [2]. Stop at 90 °C [1].")
    assert right.citations == (2,)
    assert wrong.citations == (2,)


@pytest.mark.parametrize("text", ["OK:", "Proceed as follows:", "可能的原因有以下几点："])
def test_sentence_without_a_claim_needs_no_passage(checker: AnswerChecker, text: str) -> None:
    (sentence,) = checker.check(text)
    assert sentence.is_supported
    assert sentence.citations == ()


@pytest.mark.parametrize("text", ["After 600 h proceed as follows:", "Call Wang Wei for help:"])
def test_introduction_with_a_claim_needs_a_passage(checker: AnswerChecker, text: str) -> None:
    (sentence,) = checker.check(text)
    assert not sentence.is_supported


def test_no_sentence_is_supported_without_passages() -> None:
    (sentence,) = AnswerChecker(QUESTION, ()).check("Every 500 h.")
    assert not sentence.is_supported


@pytest.mark.parametrize(
    ("answer", "nearest"),
    [
        ("Replace the return filter every 600 h.", 2),
        ("The suction needs a level of 7 m [2].", 1),
        ("每三周检查滤芯。", 3),
        ("Green cheese.", None),
        ("", None),
    ],
)
def test_nearest_passage_shares_most_words_and_claims(
    checker: AnswerChecker, answer: str, nearest: int | None
) -> None:
    assert checker.nearest(answer) == nearest


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How often is the filter changed?", [False, True, True]),
        ("滤芯多久换？", [True, True, True]),
        ("氧化铝？", [True, True, False]),
        ("F3?", [True, True, True]),
    ],
    ids=["word of a passage", "word and other language", "no word", "question without words"],
)
def test_passage_is_on_topic_if_it_may_share_a_word_with_the_question(
    question: str, expected: list[bool]
) -> None:
    checker = AnswerChecker(question, PASSAGES)
    assert [checker.is_on_topic(number) for number in (1, 2, 3)] == expected


@pytest.mark.parametrize(
    ("question", "passage", "answer"),
    [
        ("Who signs?", "由乙班保全工鲁志刚签字确认。", "The fitter of shift B, 鲁志刚, signs [1]."),
        ("When is it drained?", "每周五排污。", "It is drained every Friday [1]."),
        ("从哪个门进？", "Use gate 4. The guard opens it.", "从 4 号门进[1]。"),
        ("谁批准？", "J. Abernathy approves it.", "由 J. Abernathy 批准[1]。"),
    ],
)
def test_answer_in_another_language_than_the_passage_is_supported(
    question: str, passage: str, answer: str
) -> None:
    found = AnswerChecker(question, (passage,)).check(answer)
    assert [one.is_supported for one in found] == [True]


@pytest.mark.parametrize(
    ("passage", "answer"),
    [
        ("由乙班保全工鲁志刚签字确认。", "The fitter Miller of shift B, 鲁志刚, signs [1]."),
        ("1. Close the valve. Then turn pump 2. Open it.", "It takes 3 h [1]."),
    ],
)
def test_name_or_figure_that_the_passage_lacks_is_not_supported(passage: str, answer: str) -> None:
    (found,) = AnswerChecker("How?", (passage,)).check(answer)
    assert not found.is_supported
