"""Requests to work on texts are told from questions that a line can answer."""

import pytest

from models.line_reader.questions import is_task


@pytest.mark.parametrize(
    "text",
    [
        "Summarize the manual.",
        "Please translate section 3",
        "Compare the P-1 with the P-2",
        "总结一下这份手册",
        "列出所有报警",
    ],
)
def test_work_on_texts_is_a_task(text: str) -> None:
    assert is_task(text)


@pytest.mark.parametrize(
    "text",
    ["How hot may the seal get?", "写字台在哪里", "Who is listed as deputy?", "多久换一次油"],
)
def test_question_is_no_task(text: str) -> None:
    assert not is_task(text)
