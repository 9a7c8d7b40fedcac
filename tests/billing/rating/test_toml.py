"""Errors of TOML files: what is wrong with a field, in words, with the line of the error."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import pytest

from billing.rating.terms import TermsInvalid
from billing.rating.toml import parse_toml
from billing.rating.toml_locations import line_of_error
from infra.sentences import message_of, sentence


class Colour(StrEnum):
    RED = "red"


class File(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of all kinds."""

    name: str
    count: int | None = None
    either: int | bool | None = None
    colour: Colour = Colour.RED
    long: Annotated[str, msgspec.Meta(max_length=3)] = ""
    rows: list[dict[str, Any]] = []


@pytest.mark.parametrize(
    ("text", "message", "param"),
    [
        ("", "`name` is missing", "name"),
        ('name = "a"\nmore = 1', "`more` is not known", "more"),
        ("name = 1", "`name` must be a text in quotation marks, not a whole number", "name"),
        ('name = "a"\ncount = "b"', "`count` must be a whole number, not a text", "count"),
        (
            'name = "a"\neither = 1.5',
            "`either` must be true or false, a whole number, not a number",
            "either",
        ),
        ('name = "a"\ncolour = "blue"', "`colour` has no value 'blue'", "colour"),
        ('name = "a"\nlong = "four"', "`long` expected `str` of length <= 3", "long"),
        ('name = "a"\nrows = true', "`rows` must be a list, not true or false", "rows"),
        ("name = \n", "it is not valid TOML: Invalid value (at line 1, column 8)", "line 1"),
        (f'name = "a"\nrows = {"[" * 5000}', "the file is nested too deeply", None),
    ],
)
def test_wrong_field_is_described_in_words(text: str, message: str, param: str | None) -> None:
    with pytest.raises(TermsInvalid) as caught:
        parse_toml(text, File, sentence("The plan"), TermsInvalid)
    assert f"The plan cannot be read: {message}" in caught.value.message
    assert caught.value.param == param
    assert message_of(caught.value) == caught.value.message


@pytest.mark.parametrize(
    ("param", "line"),
    [("line 7", 7), ("fixed_fee", 2), ("other", None), ("", None), (None, None)],
)
def test_line_of_an_error_follows_from_its_param(param: str | None, line: int | None) -> None:
    assert line_of_error('plan = "a"\nfixed_fee = "x"\n', param) == line
