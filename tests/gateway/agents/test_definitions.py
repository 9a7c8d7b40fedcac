"""Definitions of agents: what is read, and what is refused with the field that is wrong."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import MAX_CHARACTERS, read_fields, read_toml
from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.filling import fill_template
from gateway.agents.definitions.templates import read_templates
from gateway.agents.definitions.values import Autonomy, Comparison
from gateway.agents.errors import AgentDefinitionInvalid, AgentTemplateNotFound
from gateway.agents.store.agents import read_definition, write_definition
from tests.support.gateway.agents import PREDICTION, VIBRATION, definition, document

_TOML = """
name = "Feed pump"
asset = "P-101"
every = "5m"
autonomy = "act"
actions = ["work_order"]
rules = [{ name = "hot", concept = "temperature", above = 85, unit = "℃", held_for = "10m" }]
costs = { planned_stop = 1500, unplanned_stop = 12000, inspection = 120, order_load = [500, 0] }
budget = { per_tick = "0.05", per_day = "1", per_month = "20.5" }
prediction = { model = "life", output = "life", outcome = "remaining_life", period = "8h" }
"""


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_toml_with_units_durations_and_amounts_becomes_a_definition() -> None:
    found = check(read_toml(_TOML))
    assert (found.every_s, found.autonomy, found.cooldown_s) == (300, Autonomy.ACT, 86_400)
    rule = found.rules[0]
    assert (rule.unit, rule.comparison, rule.limit, rule.held_s) == (
        "degC",
        Comparison.ABOVE,
        85,
        600,
    )
    assert found.budget.per_month_nano == 20_500_000_000
    assert found.prediction is not None
    assert found.prediction.period_s == 8 * 3600
    assert found.costs.order_load == (500, 0)


def test_stored_definition_is_read_back_unchanged() -> None:
    found = check(read_toml(_TOML))
    stored = msgspec.json.decode(msgspec.json.encode(write_definition(found)))
    read = read_definition(stored)
    assert read == found
    assert asdict(read.costs) == asdict(found.costs)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"asset": ""}, "asset"),
        ({"rules": []}, "rules"),
        ({"rules": [VIBRATION] * 51}, "rules"),
        ({"every": "9s"}, "every"),
        ({"every": "32d"}, "every"),
        ({"every": "often"}, "every"),
        ({"autonomy": "act"}, "actions"),
        ({"autonomy": "approve", "actions": []}, "actions"),
        ({"autonomy": "alone"}, "autonomy"),
        ({"cooldown": "-1d"}, "cooldown"),
        ({"limit": 5}, None),
        ({"rules": [{**VIBRATION, "concept": "vibration"}]}, "rules[0]"),
        ({"rules": [{**VIBRATION, "below": 1}]}, "rules[0]"),
        ({"rules": [{**VIBRATION, "above": float("inf")}]}, "rules[0]"),
        ({"rules": [{**VIBRATION, "unit": "furlong"}]}, "rules[0].unit"),
        ({"rules": [{**VIBRATION, "held_for": "long"}]}, "rules[0].held_for"),
        ({"rules": [{**VIBRATION, "above": "4.5"}]}, "rules[0].above"),
        ({"prediction": {**PREDICTION, "horizon": 0}}, "prediction.horizon"),
        ({"prediction": {**PREDICTION, "level": 1}}, "prediction.level"),
        ({"prediction": {**PREDICTION, "output": ""}}, "prediction.output"),
        (
            {"costs": {"planned_stop": 5, "unplanned_stop": 4, "inspection": 1}},
            "costs.unplanned_stop",
        ),
        ({"budget": {"per_tick": "2", "per_day": "1"}}, "budget"),
        ({"budget": {"per_tick": "1e-12"}}, "budget.per_tick"),
        ({"budget": {"per_day": "much"}}, "budget.per_day"),
        ({"budget": {"per_tick": "-1"}}, "budget.per_tick"),
        ({"rules": [VIBRATION, {**VIBRATION, "name": " vibration "}]}, "rules"),
        ({"name": "a\0b"}, "definition"),
        ({"prediction": {**PREDICTION, "options": {"a": [float("nan")]}}}, "definition"),
        ({"prediction": {**PREDICTION, "options": {"a\0": 1}}}, "definition"),
        ({"prediction": {**PREDICTION, "options": {"a": 2**63}}}, "definition"),
        ({"prediction": {**PREDICTION, "options": {"a": nested(30)}}}, "definition"),
        ({"rules": [{**VIBRATION, "above": 1e16}]}, "rules[0]"),
        ({"costs": {"planned_stop": 1, "unplanned_stop": 1e16, "inspection": 1}}, "costs"),
    ],
)
def test_wrong_field_is_refused_by_name(fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(AgentDefinitionInvalid) as caught:
        check(read_fields(document(**fields)))
    assert caught.value.param == param


def test_shown_fields_are_read_as_the_same_definition() -> None:
    found = check(read_toml(_TOML))
    assert check(read_fields(definition_fields(found))) == found
    bare = definition(rules=[], prediction=PREDICTION)
    assert check(read_fields(definition_fields(bare))) == bare


def test_overrides_replace_values_of_tables_and_whole_lists() -> None:
    overrides = {
        "costs": {"inspection": 99},
        "rules": [VIBRATION],
        "prediction": PREDICTION,
        "asset": "OTHER",
    }
    found = fill_template("pump-monitor", "P-1", "Pump", overrides)
    assert (found.asset, found.costs.inspection, found.costs.planned_stop) == ("P-1", 99, 1500)
    assert [rule.name for rule in found.rules] == ["vibration"]
    assert found.prediction is not None
    with pytest.raises(AgentTemplateNotFound):
        fill_template("none", "P-1", "Pump", {})


@pytest.mark.parametrize(
    "text", ["name = ", "x" * (MAX_CHARACTERS + 1), "= 1", "a = " + "[" * 20_000]
)
def test_text_that_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(AgentDefinitionInvalid):
        read_toml(text)


@pytest.mark.parametrize("seconds", [1.0, 90.0, 600.0, 3600.0, 5400.0, 86_400.0, 604_800.0])
def test_duration_is_read_back_as_written(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "5 weeks", "-1m", "1e3s", "١m"])
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationInvalid):
        parse_duration(text)


def test_every_template_is_a_valid_definition_with_texts_in_both_languages() -> None:
    templates = read_templates()
    assert "pump-monitor" in templates
    for template in templates.values():
        made = check(read_fields(template.for_asset("P-1", "My pump")))
        assert (made.template, made.asset, made.name) == (template.id, "P-1", "My pump")
        assert set(template.titles) == set(template.descriptions) == {"en", "zh"}


def test_definition_without_rules_needs_a_prediction() -> None:
    assert definition(rules=[], prediction=PREDICTION).rules == ()


@pytest.mark.parametrize("page", ["agents.md", "agents.zh.md"])
def test_definition_of_the_documentation_is_valid(page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    (written,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert check(read_toml(written)).asset == "M1"
    templates = set(re.findall(r"^\| `([a-z]+-[a-z-]+)` \|", text, re.MULTILINE))
    assert templates == set(read_templates())
