"""The section `[schedule]` of a definition: checks, template, and back to text."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields, read_toml
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.filling import fill_template
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.store.agents import read_definition, write_definition
from tests.support.gateway.agents import COSTS, PREDICTION
from tests.support.gateway.tanks import schedule

INLINE = {
    "currency": "CNY",
    "periods": [
        {"start": "00:00", "name": "night", "price": 0.3},
        {"start": "07:30", "name": "day", "price": 0.9},
    ],
}


def document(**fields: Any) -> dict[str, Any]:
    """Return an agent with a schedule."""
    return {"name": "A", "asset": "T1", "schedule": schedule(), **fields}


@pytest.mark.parametrize("tariff", ["four-price-example", INLINE])
def test_definition_is_the_same_after_storing_and_as_text(tariff: object) -> None:
    found = check(read_fields(document(schedule=schedule(tariff=tariff))))
    assert read_definition(write_definition(found)) == found
    assert check(read_fields(definition_fields(found))) == found
    assert check(read_toml(toml_text(document_fields(found)))) == found
    assert "costs" not in definition_fields(found)


@pytest.mark.parametrize("page", ["agents-scheduling.md", "agents-scheduling.zh.md"])
def test_definition_of_the_documentation_is_valid(page: str) -> None:
    text = (Path(__file__).parents[4] / "docs" / page).read_text(encoding="utf-8")
    (written,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    found = check(read_toml(written))
    assert found.schedule is not None
    assert len(found.schedule.tariff.periods) == 3


def test_template_is_filled_with_the_points_of_the_plant() -> None:
    found = fill_template("energy-scheduler", "T1", "Tank", {"schedule": {"slot": "30m"}})
    assert found.schedule is not None
    assert (found.schedule.slot_s, found.schedule.slots) == (1800.0, 48)
    assert found.schedule.tariff.currency == "CNY"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"costs": COSTS}, "schedule"),
        ({"prediction": PREDICTION}, "schedule"),
        ({"actions": ["work_order"]}, "actions"),
        ({"schedule": schedule(pumps=[])}, "schedule.pumps"),
        ({"schedule": schedule(slot="7m")}, "schedule.slot"),
        ({"schedule": schedule(slot="1h", time_zone="Asia/Kolkata")}, "schedule.slot"),
        ({"schedule": schedule(time_zone="Moon/Base")}, "schedule.time_zone"),
        ({"schedule": schedule(time_zone="../../etc/passwd")}, "schedule.time_zone"),
        ({"schedule": schedule(tariff="none")}, "schedule.tariff"),
        ({"schedule": schedule(tariff={**INLINE, "periods": []})}, "schedule.tariff"),
        ({"schedule": schedule(tariff={**INLINE, "x": 1})}, "schedule.tariff"),
        ({"schedule": schedule(low=560.0)}, "schedule.low"),
        ({"schedule": schedule(low=50.0)}, "schedule.low"),
        ({"schedule": schedule(start_price=-1.0)}, "schedule.start_price"),
        ({"schedule": schedule(horizon="3d")}, "schedule.horizon"),
        ({"schedule": schedule(demand={"tag": "T1.LEVEL", "maximum": 1})}, "schedule.pumps"),
        ({"schedule": schedule(demand={"tag": "D", "maximum": 0})}, "schedule.demand.maximum"),
        ({"schedule": schedule(demand={"tag": "D", "maximum": 1, "unit": "blub"})},
         "schedule.demand.unit"),
        ({"schedule": schedule(pumps=[{"tag": "P", "flow": 0, "power": 1}])}, "schedule.pumps[0]"),
        ({"schedule": schedule(level={"tag": "L", "minimum": 5, "maximum": 5})},
         "schedule.level.minimum"),
        ({"schedule": {**schedule(), "voltage": 400}}, "schedule"),
    ],
)  # fmt: skip
def test_invalid_schedule_is_refused_by_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(AgentDefinitionInvalid) as caught:
        check(read_fields(document(**fields)))
    assert caught.value.param == param


def test_set_points_need_a_schedule_and_other_agents_need_costs() -> None:
    rule = {"name": "v", "tag": "V", "above": 1, "unit": "mm/s"}
    base = {"name": "A", "asset": "P", "rules": [rule]}
    with pytest.raises(AgentDefinitionInvalid) as caught:
        check(read_fields({**base, "costs": COSTS, "actions": ["set_point"]}))
    assert caught.value.param == "actions"
    with pytest.raises(AgentDefinitionInvalid) as caught:
        check(read_fields(base))
    assert caught.value.param == "costs"
