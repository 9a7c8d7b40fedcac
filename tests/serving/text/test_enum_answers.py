"""Responses that are one value of an enum: recognition of schemas and rendering as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.text.enum_answers import EnumAnswer, EnumStream, parse_enum_schema
from tests.serving.enum_schemas import MODES, OBJECT, PREFIX, VALUE, WRAPPED, event
from tests.support.json_schemas import jsonschema


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (OBJECT, WRAPPED),
        ({"type": "object", "properties": {"failure_mode": {"enum": MODES}}}, WRAPPED),
        ({**OBJECT, "title": "Mode", "$schema": "x"}, WRAPPED),
        (VALUE, EnumAnswer(tuple(MODES), prefix=PREFIX)),
        ({"const": "Leaking"}, EnumAnswer(("Leaking",), prefix=PREFIX)),
        ({"enum": ["泄漏", "泄漏", "堵塞"]}, EnumAnswer(("泄漏", "堵塞"), prefix=PREFIX)),
    ],
)
def test_enum_schema_is_recognised(schema: Any, found: EnumAnswer) -> None:
    assert parse_enum_schema(schema, PREFIX) == found


@pytest.mark.parametrize(
    "schema",
    [
        None,
        True,
        {},
        {"type": "object"},
        {"type": "string"},
        {**OBJECT, "properties": {"failure_mode": VALUE, "note": {"type": "string"}}},
        {**OBJECT, "properties": {"failure_mode": {"type": "string"}}},
        {**OBJECT, "properties": {"failure_mode": True}},
        {**OBJECT, "required": ["failure_mode", "other"]},
        {**OBJECT, "minProperties": 2},
        {**OBJECT, "properties": {"failure_mode": {**VALUE, "pattern": "^L"}}},
        {"enum": []},
        {"enum": "Leaking"},
        {"enum": [1, 2]},
        {"type": "integer", "enum": ["1"]},
        {"enum": ["Leaking", None]},
        {"enum": [" Leaking"]},
        {"enum": ["a\nb"]},
        {"enum": [""]},
    ],
)
def test_non_enum_schema_is_left_to_engine(schema: Any) -> None:
    assert parse_enum_schema(schema) is None


def test_enum_choices_begin_with_a_space() -> None:
    """The adapter's responses begin with a space, which is part of the first word's token."""
    assert WRAPPED.choices == [" Leaking", " Fail to open", " Plugged / choked"]


def test_complete_enum_response_is_valid_against_schema() -> None:
    for mode in MODES:
        text = WRAPPED.render(f" {mode}", is_complete=True)
        assert json.loads(text) == {"failure_mode": mode}
        jsonschema.validate(json.loads(text), OBJECT)
    bare = EnumAnswer(("Leaking",), prefix=PREFIX)
    assert json.loads(bare.render(" Leaking", is_complete=True)) == "Leaking"


def test_value_of_a_model_without_prefix_is_kept() -> None:
    bare = EnumAnswer(("Leaking",))
    assert bare.choices == ["Leaking"]
    assert json.loads(bare.render("Leaking", is_complete=True)) == "Leaking"


def test_truncated_enum_response_is_unclosed_json() -> None:
    assert WRAPPED.render(" Fail to", is_complete=False) == '{"failure_mode": "Fail to'


def said(events: list[str], index: int = 0) -> str:
    chunks = [json.loads(one.removeprefix("data: ")) for one in events]
    choices = [one for chunk in chunks for one in chunk["choices"] if one["index"] == index]
    return "".join(one["delta"]["content"] or "" for one in choices)


class TestEnumStream:
    def test_streamed_pieces_form_the_same_json(self) -> None:
        stream = EnumStream(WRAPPED)
        pieces = [event(""), event(" Fail"), event(" to"), event(" open"), event("", "stop")]
        told = [stream.wrap_event(one) for one in pieces]
        assert said(told) == WRAPPED.render(" Fail to open", is_complete=True)

    def test_last_piece_with_finish_reason_closes_json(self) -> None:
        told = EnumStream(WRAPPED).wrap_event(event(" Leaking", "stop"))
        assert said([told]) == '{"failure_mode": "Leaking"}'

    def test_truncated_response_is_unclosed_json(self) -> None:
        stream = EnumStream(WRAPPED)
        told = [stream.wrap_event(event(" Fail")), stream.wrap_event(event(" to", "length"))]
        assert said(told) == '{"failure_mode": "Fail to'

    def test_choices_are_wrapped_separately(self) -> None:
        stream = EnumStream(WRAPPED)
        pieces = [event(" Fail"), event(" Leak", None, 1), event(" to"), event("ing", "stop", 1)]
        told = [stream.wrap_event(one) for one in pieces]
        assert said(told, 1) == '{"failure_mode": "Leaking"}'
        assert said(told) == '{"failure_mode": "Fail to'

    @pytest.mark.parametrize("line", ["data: [DONE]\n\n", ": ping\n\n"])
    def test_line_without_chunk_is_unchanged(self, line: str) -> None:
        assert EnumStream(WRAPPED).wrap_event(line) == line

    def test_usage_chunk_is_unchanged(self) -> None:
        line = 'data: {"choices":[],"usage":{"completion_tokens":3}}\n\n'
        assert EnumStream(WRAPPED).wrap_event(line) == line

    @given(st.text(min_size=1), st.text(min_size=1), st.data())
    def test_any_value_in_any_pieces_is_valid_json(
        self, name: str, value: str, data: st.DataObject
    ) -> None:
        value = value.strip() or "x"
        cut = data.draw(st.integers(0, len(value)))
        answer = EnumAnswer((value,), name, PREFIX)
        stream = EnumStream(answer)
        events = [event(f" {value[:cut]}"), event(value[cut:]), event("", "stop")]
        assert json.loads(said([stream.wrap_event(one) for one in events])) == {name: value}
