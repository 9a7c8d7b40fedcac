"""The outcome of checked answers."""

import pytest

from models.grounding.answer import GroundedAnswer, Grounding, is_not_found, quote
from models.grounding.check import AnswerChecker
from models.grounding.draft import verify

PASSAGES = (
    "Keep the level at least 1.5 m above the suction.",
    "Replace the return filter every 500 h; stop at 80 °C.",
)
ZH_PASSAGES = ("液位至少高于吸入口1.5 m。", "回油滤芯每500 h更换，80 °C停机。")


def verified(question: str, answer: str) -> GroundedAnswer | None:
    passages = PASSAGES if question.isascii() else ZH_PASSAGES
    return verify(question, AnswerChecker(question, passages), answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Replace it every 500 h [2].", "Replace it every 500 h [2]."),
        ("Replace it every 500 h [1].", "Replace it every 500 h [2]."),
        ("Replace it every 500 h.", "Replace it every 500 h [2]."),
        ("Every 500 h replace it. [1] Stop.", "Every 500 h replace it [2]. Stop [2]."),
        ("Replace the filter every 500 h and stop", "Replace the filter every 500 h and stop [2]"),
    ],
    ids=["right mark", "wrong mark", "no mark", "mark after the stop", "no full stop"],
)  # fmt: skip
def test_verified_answer_has_the_mark_of_the_supporting_passage(answer: str, expected: str) -> None:
    assert verified("How often?", answer) == GroundedAnswer(expected, Grounding.VERIFIED)


def test_chinese_mark_is_before_the_full_stop() -> None:
    answer = verified("滤芯多久换？", "回油滤芯每500 h更换[1]。")
    assert answer == GroundedAnswer("回油滤芯每500 h更换[2]。", Grounding.VERIFIED)


@pytest.mark.parametrize(
    "answer", ["Every 600 h [2].", "Stop at 80 °C [2]. Every 600 h.", "OK:", ""]
)
def test_answer_with_an_unsupported_or_no_statement_is_not_verified(answer: str) -> None:
    assert verified("How often?", answer) is None


def test_statement_that_documents_do_not_answer_is_uniform_and_keeps_supported_sentences() -> None:
    answer = "I do not know: the passages do not say it. They say stop at 80 °C [1]. Every 600 h."
    assert verified("When to start?", answer) == GroundedAnswer(
        "This is not in your documents. They say stop at 80 °C [2].", Grounding.NOT_FOUND
    )


@pytest.mark.parametrize(
    "text",
    [
        "This is not in your documents.",
        "The passages do not mention the torque.",
        "The torque is not specified.",
        "您的资料中没有这项信息。",
        "文档中没有提到扭矩。",
        "我不知道。",
    ],
)
def test_statements_that_nothing_was_found_are_recognised(text: str) -> None:
    assert is_not_found(text)


@pytest.mark.parametrize("text", ["Do not open the valve.", "不要打开阀门。", "Not above 80 °C."])
def test_prohibitions_are_not_taken_for_missing_information(text: str) -> None:
    assert not is_not_found(text)


def test_quote_is_the_best_passage_with_its_mark() -> None:
    assert quote("How often?", PASSAGES[1:]) == GroundedAnswer(
        f"{PASSAGES[1]} [1]", Grounding.QUOTED, 0
    )


def test_quote_without_passages_states_that_nothing_was_found() -> None:
    assert quote("多久？", ()) == GroundedAnswer("您的资料中没有这项信息。", Grounding.NOT_FOUND)


def test_quote_names_the_chosen_passage() -> None:
    quoted = quote("How often?", PASSAGES, 2)
    assert (quoted.text, quoted.quote_start) == (f"{PASSAGES[1]} [2]", 0)
