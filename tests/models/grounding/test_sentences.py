"""Sentences of answers and their citation marks."""

import pytest

from models.grounding.sentences import complete_length, split_sentences


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Every 500 h [1]. Stop at 8 °C [2].", [("Every 500 h.", (1,)), ("Stop at 8 °C.", (2,))]),
        ("Every 500 h. [1] Then stop.", [("Every 500 h.", (1,)), ("Then stop.", ())]),
        ("每500小时更换[1]。高温停机[2]。", [("每500小时更换。", (1,)), ("高温停机。", (2,))]),
        ("Use 1.5 bar, e.g. at start.", [("Use 1.5 bar, e.g. at start.", ())]),
        ("1. Lock out. 2. Open.", [("1. Lock out.", ()), ("2. Open.", ())]),
        ("10. Lock out. 11. Open.", [("10. Lock out.", ()), ("11. Open.", ())]),
        ("Both [1, 2][2].", [("Both.", (1, 2))]),
        ("both 【3】", [("both", (3,))]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_have_text_without_marks_and_cited_passages(
    answer: str, expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    sentences = split_sentences(answer)
    assert [(one.bare, one.cited) for one in sentences] == expected
    assert "".join(one.text for one in sentences) == answer


def test_growing_answer_is_complete_up_to_the_sentence_before_the_last() -> None:
    answer = "Every 500 h. [1] Stop above"
    assert answer[: complete_length(answer)] == "Every 500 h. [1] "
    assert complete_length("Every 500 h.") == 0
