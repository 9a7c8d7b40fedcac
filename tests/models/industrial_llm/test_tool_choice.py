"""Tool choice: generated training requests and held-out test requests."""

import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from string import Formatter

import msgspec
import numpy as np
import pytest

from models.industrial_llm.examples import DatasetSplit, detect_language
from models.industrial_llm.tasks import tool_choice
from models.industrial_llm.tasks.tool_choice import REQUESTS, TEMPLATES, Request, value_sets
from models.industrial_llm.tasks.tools import NONE, Tool, list_tools
from models.mechanisms import MECHANISMS
from models.units import unit_conversion


@pytest.fixture(scope="module")
def parts() -> DatasetSplit:
    return tool_choice.load(Path(), 0)


@pytest.fixture(scope="module")
def offered() -> dict[str, Tool]:
    return {one.route: one for one in list_tools()}


def requests() -> list[Request]:
    return msgspec.json.Decoder(Request).decode_lines(REQUESTS.read_bytes())


class TestTools:
    def test_tools_are_all_routable_specialists(self, offered: dict[str, Tool]) -> None:
        assert len(offered) == 15
        bearing = offered["bearing_life"]
        assert [one.name for one in bearing.fields] == [
            one.name for one in MECHANISMS["bearing_life"].inputs
        ]
        assert bearing.unit_of("dynamic_load_rating") == "N"

    def test_templates_use_existing_tools_and_fields(self, offered: dict[str, Tool]) -> None:
        templates = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
        assert set(templates) == {*offered, NONE}
        for route, tool in offered.items():
            fields = {one.name for one in tool.fields}
            for values in value_sets(templates[route]):
                assert {name for name, value in values.items() if _told(value)} <= fields

    def test_templates_are_unique_and_in_both_languages(self) -> None:
        for route, some in tomllib.loads(TEMPLATES.read_text(encoding="utf-8")).items():
            assert len(set(some["texts"])) == len(some["texts"]), route
            languages = Counter(detect_language(text) for text in some["texts"])
            assert min(languages["en"], languages["zh"]) >= 20, route

    def test_template_units_have_values(self) -> None:
        templates = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
        for route, some in templates.items():
            parts = [part for text in some["texts"] for part in Formatter().parse(text)]
            for _, name, unit, _ in parts:
                for values in value_sets(some) if unit else ():
                    assert unit in {told for _, told, *_ in values[name or ""]}, (route, name)

    def test_template_units_convert_to_field_units(self, offered: dict[str, Tool]) -> None:
        templates = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
        for route, tool in offered.items():
            pairs = [pair for one in value_sets(templates[route]) for pair in one.items()]
            for name, value in pairs:
                own = tool.unit_of(name) if isinstance(value, list) else None
                for _, unit, *_ in value if own else ():
                    assert np.isfinite(unit_conversion(unit, own or "")(np.ones(1))).all()


class TestTrainingRequests:
    def test_every_tool_and_no_tool_have_enough_examples(self, parts: DatasetSplit) -> None:
        counted = Counter(json.loads(one.answer)["tool"] for one in parts.train)
        assert sum(counted.values()) >= 400
        assert set(counted) == {one.id for one in list_tools()} | {None}
        assert min(counted.values()) >= 30

    def test_argument_numbers_appear_in_request(self, parts: DatasetSplit) -> None:
        for one in parts.train:  # held-out requests also say `pairs` or `five at a time`
            for number in _numbers(json.loads(one.answer)["arguments"]):
                assert number in _said(one.text), one

    def test_number_is_separated_from_unit_1_per_min(self, parts: DatasetSplit) -> None:
        said = [one.text for one in parts.train if "1/min" in one.text]
        assert said
        assert not any(re.search(r"\d1/min", text) for text in said)

    def test_chinese_requests_have_no_english_unit_words(self, parts: DatasetSplit) -> None:
        chinese = [one.text for one in parts.train if one.language == "zh"]
        assert not any(re.search(r"\d ?(hours|minutes|parts|volts)", text) for text in chinese)

    def test_english_requests_have_no_chinese_units(self, parts: DatasetSplit) -> None:
        english = [one for one in parts.train if one.language == "en"]
        assert english
        assert all(detect_language(one.text) == "en" for one in english)

    def test_training_requests_are_deterministic(self, parts: DatasetSplit) -> None:
        assert tool_choice.load(Path(), 0) == parts


class TestHeldOutRequests:
    def test_there_are_200_different_requests_in_both_languages(self) -> None:
        found = requests()
        assert len({one.text for one in found}) == len(found) == 200
        languages = Counter(detect_language(one.text) for one in found)
        assert min(languages.values()) >= 80

    def test_requests_use_existing_tools_and_field_order(self, offered: dict[str, Tool]) -> None:
        for one in requests():
            fields = offered[one.tool].fields if one.tool != NONE else ()
            names = [field.name for field in fields]
            # In the order of the tool's fields, which is the order of the training answers.
            assert list(one.arguments) == [name for name in names if name in one.arguments]

    def test_all_requests_are_in_test_split(self, parts: DatasetSplit) -> None:
        assert [one.text for one in parts.test] == [one.text for one in requests()]


def _told(value: object) -> bool:
    return not (isinstance(value, dict) and value.get("told") is False)


def _numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in _numbers(one)]
    if isinstance(value, list):
        return [number for one in value for number in _numbers(one)]
    return [float(value)] if isinstance(value, int | float) else []


def _said(text: str) -> set[float]:
    """Return all numbers of a text; 12,500 counts as 12500 and as 12 and 500."""
    grouped = re.sub(r"(?<![\d.])(\d{1,3}),(\d{3})(?![\d.])", r"\1\2", text)
    return {float(one) for some in (text, grouped) for one in re.findall(r"\d+(?:\.\d+)?", some)}
