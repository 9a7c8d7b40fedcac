"""TOML of definitions, lines of fields, and differences between versions: pure parts of pages."""

import tomllib
from typing import Any

import pytest

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields, read_toml
from gateway.agents.definitions.templates import read_templates
from gateway.agents.definitions.toml_text import document_fields, line_of, toml_text
from gateway.agents.store.agents import write_definition
from gateway.agents.store.points import WatchablePoint
from gateway.dashboard.pages.agents.differences import differences
from gateway.dashboard.pages.agents.form import (
    document_of_form,
    field_of_error,
    form_rules,
    form_values,
    values_after_conflict,
)
from infra import ids
from tests.support.gateway.agents import PREDICTION, VIBRATION, definition

NAMES = ['a "quoted" name', "back\\slash", "振动\t", "del\x7f"]
TEXT = """name = "Pump 1"
asset = "P-1"

[[rules]]
name = "a"
above = 1

[[rules]]
name = "b"
below = 2

[costs]
planned_stop = 1
"""


@pytest.mark.parametrize("name", NAMES)
def test_definition_is_the_same_after_writing_and_reading(name: str) -> None:
    options = {"window": {"a b": [1, 2.5]}, "none": {}}
    rules = [VIBRATION, {**VIBRATION, "name": name, "held_for": "90s", "unit": "m/s"}]
    step = {**PREDICTION, "options": options, "period": "8h", "level": 0.95}
    agent = definition(prediction=step, rules=rules, name=f"x{name}x", cooldown="36h")
    text = toml_text(document_fields(agent))
    assert tomllib.loads(text)["prediction"]["options"] == options
    assert check(read_toml(text)) == agent


def test_every_template_is_readable_as_toml_and_through_the_form() -> None:
    for template in read_templates().values():
        document = template.for_asset("P-1", "Pump 1")
        agent = check(read_fields(document))
        assert check(read_toml(toml_text(document))) == agent
        assert check(read_fields(document_of_form(document, form_values(document)))) == agent


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("asset", 2),
        ("rules[0].above", 6),
        ("rules[1].below", 10),
        ("rules[1].unit", 8),
        ("rules[1]", 8),
        ("costs.planned_stop", 13),
        ("costs.inspection", 12),
        ("budget.per_day", None),
        ("", None),
    ],
)
def test_line_of_a_field_is_found(field: str, line: int | None) -> None:
    assert line_of(TEXT, field) == line


def test_differences_name_fields_with_values_before_and_after() -> None:
    before = write_definition(definition())
    changed = {**VIBRATION, "above": 6.0}
    after = write_definition(definition(rules=[changed, {**VIBRATION, "name": "new"}]))
    found = {one.field: (one.before, one.after) for one in differences(before, after)}
    assert found["rules.vibration.above"] == ("4.5", "6")
    assert found["rules.new.tag"] == ("", "V1")
    assert differences(before, before) == []


def point(tag: str, unit: str) -> WatchablePoint:
    return WatchablePoint(ids.new_id(), tag, "", unit)


@pytest.mark.parametrize(
    ("units", "tag"),
    [(["mm/s"], "T0"), (["m/s", "bar"], "T0"), (["mm/s", "m/s"], ""), (["", "bar", "?"], "")],
)
def test_point_is_suggested_only_if_it_is_the_only_one_of_the_quantity(
    units: list[str], tag: str
) -> None:
    rule = {"name": "vibration", "concept": "velocity", "above": 4.5, "unit": "mm/s"}
    document: dict[str, Any] = {"rules": [rule]}
    points = [point(f"T{at}", unit) for at, unit in enumerate(units)]
    assert form_rules(document, {}, points, [])[0].point == tag
    assert form_rules(document, {}, points, ["vibration"])[0].point == ""


def test_errors_of_rules_stand_beside_the_rule_that_was_kept() -> None:
    document = {"rules": [VIBRATION, {**VIBRATION, "name": "b"}]}
    values = form_values(document)
    del values["rules[0].use"]
    assert field_of_error(document, values, "rules[0].above") == "rules[1].above"
    assert field_of_error(document, values, "rules[0]") == "rules[1].point"
    assert field_of_error(document, values, "costs.inspection") == "costs.inspection"


def test_input_for_a_rule_is_not_given_to_another_rule_after_a_conflict() -> None:
    mine = form_values({"rules": [VIBRATION]}) | {"rules[0].above": "9", "name": "mine"}
    newer = {"name": "x", "rules": [{**VIBRATION, "name": "other", "above": 2.0}, VIBRATION]}
    kept = values_after_conflict(newer, mine)
    assert (kept["rules[0].name"], kept["rules[0].above"]) == ("other", "2")
    assert (kept["rules[1].above"], kept["name"]) == ("4.5", "mine")
    same = values_after_conflict({"rules": [VIBRATION]}, mine)
    assert same["rules[0].above"] == "9"
