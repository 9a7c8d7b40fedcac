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


def test_rows_of_a_workbook_have_the_names_of_their_columns() -> None:
    rows = "Plan: No. | Task | Interval\nC-1 | Grease bearing | monthly\nC-2 | Change oil | yearly"
    assert [line.quoted for line in split_lines(rows)] == [
        "No.: C-1; Task: Grease bearing; Interval: monthly",
        "No.: C-2; Task: Change oil; Interval: yearly",
    ]
    assert split_lines(rows)[0].shown.startswith("Plan | ")


def test_rows_in_columns_of_blanks_have_the_names_of_their_columns() -> None:
    rows = (
        "SIZES\n      GB-40   GB-63  GB-90\nMass  9.6 kg  24 kg  71 kg\nOil   0.3 l   0.9 l  2.4 l"
    )
    first, _ = split_lines(rows)
    assert first.shown == "SIZES | Mass; GB-40: 9.6 kg; GB-63: 24 kg; GB-90: 71 kg"
    assert first.cells[2] == ("GB-63", "24 kg")


def test_lines_that_a_file_has_cut_are_joined() -> None:
    text = (
        "The drive restarts by itself after a loss of the supply voltage\nif parameter 330 is set."
    )
    (line,) = split_lines(text)
    assert line.text.endswith("voltage if parameter 330 is set.")


def test_first_entry_of_a_list_of_codes_is_no_header() -> None:
    rows = "W-21   Fan slow   Change the fan\nW-24   Battery weak   Change it"
    first, _ = split_lines(rows)
    assert first.quoted == "W-21; Fan slow; Change the fan"
