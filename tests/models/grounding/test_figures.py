"""Figures, units and codes found in English and Chinese text."""

import pytest

from models.grounding.figures import find_codes, find_figures, find_number_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every 1,500 hours or after 6 months", [("1500", "h"), ("6", "month")]),
        ("above 80 ℃ stop", [("80", "°c")]),
        ("高于80摄氏度", [("80", "°c")]),
        ("转速1500转/分", [("1500", "r/min")]),
        ("1500 rpm", [("1500", "r/min")]),
        ("about 2 000 r/min", [("2000", "r/min")]),
        ("5–10 °C", [("5", "°c"), ("10", "°c")]),
        ("between 3 and 5 bar", [("3", "bar"), ("5", "bar")]),
        ("3至5 bar", [("3", "bar"), ("5", "bar")]),
        ("0.50 MPa", [("0.5", "mpa")]),
        ("400V电机11kW", [("400", "v"), ("11", "kw")]),
        ("１２．５％", [("12.5", "%")]),
        ("cleanliness 18/16/13", [("18", None), ("16", None), ("13", None)]),
        ("1) lock out; 2) wait 5 min. 3. Open.", [("5", "min")]),
        ("no figures", []),
    ],
)
def test_figures_have_plain_numbers_and_one_notation_of_units(
    text: str, expected: list[tuple[str, str | None]]
) -> None:
    assert [(figure.number, figure.unit) for figure in find_figures(text)] == expected


def test_digits_of_codes_are_not_figures() -> None:
    text = "6205-2RS C3, M12, H7/g6 and F30001 have a 25 mm bore"
    assert find_codes(text) == ("6205-2rs", "c3", "m12", "h7/g6", "f30001")
    assert [figure.text for figure in find_figures(text)] == ["25 mm"]


def test_number_with_unit_is_not_a_code() -> None:
    assert find_codes("80mm, 4kW und 24V") == ()


def test_number_words_are_found_in_both_languages() -> None:
    assert find_number_words("two people, half a turn") == {"2", "0.5"}
    assert find_number_words("每两周检查三次") == {"2", "3"}
