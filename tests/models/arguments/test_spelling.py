"""Misspelled names of columns."""

import pytest

from models.arguments.rewriting.spelling import with_right_spelling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curent 12 A", "current 12 A"),
        ("actual producton time", "actual production time"),
        ("torqe 40 Nm", "torque 40 Nm"),
        ("tempreature", "temperature"),
    ],
)
def test_word_that_is_one_letter_off_is_corrected(text: str, expected: str) -> None:
    assert with_right_spelling(text) == expected


@pytest.mark.parametrize(
    "text",
    ["Shift was planned 8 h", "AHU1_SPEDE", "plane 3", "what is the price of order 5", "tor"],
)
def test_right_words_names_and_short_words_are_left_alone(text: str) -> None:
    assert with_right_spelling(text) == text
