"""Histories of warning rules from readings on a grid, and the section `[warning]`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gateway.agents.assessment import Basis, assess_without_specialist
from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_toml
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.rules import RuleStatus
from gateway.agents.warnings.finding import STALE, WarningFinding
from gateway.agents.warnings.history import MAX_GAP, Grid, build_history
from gateway.agents.warnings.settings import WarningSettings, step_of
from gateway.plant.readings.formats.times import from_datetime
from models.policies.maintenance.policy import Action
from models.policies.warnings.history import HistoryInvalid
from tests.support.gateway.agents import definition

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = WarningSettings(
    points=("a",),
    every_s=3600.0,
    horizon_s=10 * 3600.0,
    lead_s=2 * 3600.0,
    repeat_s=3600.0,
    normal_s=20 * 3600.0,
    recovery_s=5 * 3600.0,
    miss=10.0,
    false_alarm=1.0,
)


def grid(hours: int = 200) -> Grid:
    starts = from_datetime(START) + np.arange(hours, dtype=np.int64) * 3_600_000_000
    return Grid(starts, np.arange(hours, dtype=np.float64)[:, np.newaxis])


def test_warning_is_right_from_the_horizon_to_the_lead_before_an_event() -> None:
    found = build_history(SETTINGS, grid(), [START + 100 * HOUR], "m")
    # Ticks end at 91 to 98 hours; the five after the event are left out.
    assert found.history.events == ((90, 97),)
    assert found.history.ticks == 195
    assert found.used == (START + 100 * HOUR,)


def test_gaps_take_the_value_before_and_long_ones_are_left_out() -> None:
    given = grid()
    given.values[50 : 50 + MAX_GAP + 5] = np.nan
    found = build_history(SETTINGS, given, [], "m")
    assert found.history.ticks == 195
    assert found.history.readings[50, 0] == 49.0


@pytest.mark.parametrize(
    ("hours", "event", "said"), [(40, 30, "60 are needed"), (200, 22, "normal operation")]
)
def test_too_little_readings_are_refused_with_figures(hours: int, event: int, said: str) -> None:
    with pytest.raises(HistoryInvalid, match=said):
        build_history(SETTINGS, grid(hours), [START + event * HOUR], "m")


def test_event_without_readings_before_it_is_not_used() -> None:
    events = [START - HOUR, START + 100 * HOUR, START + 500 * HOUR]
    assert build_history(SETTINGS, grid(), events, "m").used == (START + 100 * HOUR,)


def test_horizon_of_whole_days_is_stated_in_days() -> None:
    assert step_of("r", SETTINGS).horizon == 1
    assert step_of("r", SETTINGS).period_s == SETTINGS.horizon_s


def test_section_is_read_and_written_the_same() -> None:
    made = definition(warning={"rule": "wear", "horizon": 3, "event": "pump_failure"})
    assert made.warning is not None
    assert (made.warning.horizon, made.outlook_step) == (3, made.warning)
    assert check(read_toml(toml_text(document_fields(made)))) == made
    assert definition_fields(made)["warning"]["period"] == "1d"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"rule": " "}, "warning.rule"),
        ({"rule": "r", "horizon": 0}, "warning.horizon"),
        ({"rule": "r", "event": "Pump failure"}, "warning.event"),
        ({"rule": "r", "period": "soon"}, "warning.period"),
    ],
)
def test_impossible_section_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(AgentDefinitionInvalid) as refused:
        definition(warning=fields)
    assert refused.value.param == param


def test_probability_decides_by_expected_cost_and_rules_without_it() -> None:
    made = definition(warning={"rule": "wear"}, rules=[])
    likely = WarningFinding(rule="lwrn_1", name="wear", probability=0.4, threshold=0.2, warns=True)
    found = assess_without_specialist(made, (likely.result,), likely)
    assert (found.basis, found.failure_probability) == (Basis.PREDICTION, 0.4)
    assert found.action is not Action.WAIT
    assert found.raised == ("warning:wear",)
    silent = WarningFinding(rule="lwrn_1", name="wear", problem=STALE)
    assert silent.result.status is RuleStatus.STALE
    blind = assess_without_specialist(made, (silent.result,), silent)
    assert (blind.basis, blind.action) == (Basis.RULES, Action.INSPECT)
