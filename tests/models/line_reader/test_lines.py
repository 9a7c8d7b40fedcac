"""Lines of passages: what can answer, how it is quoted and with which context it is read."""

import pytest

from models.line_reader.lines import split_lines

TABLE = """## Filters

| Part | Life |
|---|---|
| F-12 | 400 h |
| F-20 | 900 h |"""


def test_row_is_quoted_and_read_with_the_names_of_its_columns() -> None:
    first, second = split_lines(TABLE)
    assert (first.text, first.quoted) == ("| F-12 | 400 h |", "Part: F-12; Life: 400 h")
    assert second.shown == "Filters | Part: F-20; Life: 900 h"


def test_row_without_its_header_is_kept_with_its_cells() -> None:
    assert [line.quoted for line in split_lines("| F-12 | 400 h |\n| F-20 | 900 h |")] == [
        "F-12; 400 h",
        "F-20; 900 h",
    ]


def test_sentences_are_lines_and_a_pronoun_is_read_with_the_sentence_before() -> None:
    first, second = split_lines("# Cover\nThe cover has two bolts. It is opened with key 8.")
    assert first.shown == "Cover | The cover has two bolts."
    assert second.text == "It is opened with key 8."
    assert second.shown == "Cover | The cover has two bolts. It is opened with key 8."


def test_item_is_quoted_without_its_marker_and_read_with_what_introduces_it() -> None:
    (_, item) = split_lines("换滤芯的步骤：\n1. 关阀，泄压到零。")
    assert item.quoted == "关阀，泄压到零。"
    assert item.shown == "换滤芯的步骤： 1. 关阀，泄压到零。"


@pytest.mark.parametrize("first", ["3.2 Filters", "## 3.2 Filters"], ids=["plain", "markdown"])
def test_heading_of_a_cut_passage_is_no_line(first: str) -> None:
    (line,) = split_lines(f"{first}\nThe filter lasts 400 h.")
    assert line.shown == "3.2 Filters | The filter lasts 400 h."


def test_blank_row_ends_a_table() -> None:
    *_, after = split_lines(f"{TABLE}\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    assert after.quoted == "a: 1; b: 2"
