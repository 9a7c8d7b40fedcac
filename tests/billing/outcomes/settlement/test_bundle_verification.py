"""Proving: a measurement was given the bundle's own terms and readings, and all of them.

Outcomes and signatures are proved in test_replay.py.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from billing.outcomes.settlement.bundle import BundleInvalid, EffectMeasurement
from billing.outcomes.settlement.replay import replay_bundle
from tests.support.outcomes.given_effects import SENSOR, less_scrap, row, two_castings
from tests.support.stories.story import Story

Measure = Callable[[str], EffectMeasurement]


@pytest.fixture
async def said(story: Story) -> dict[str, Any]:
    """The bundle of a month that was measured by two readings."""
    of = await less_scrap(await story.firm())
    story.clock.set(2026, 11, 2)
    for day in (1, 2):
        await of.says("readings", SENSOR, row(day))
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    return dict(msgspec.json.decode(settled.bundle))


def figures(said: Any, measure: Measure = two_castings) -> list[tuple[str, Any, Any]]:
    found = replay_bundle(msgspec.json.encode(said, order="sorted").decode(), measure)
    return [(one.figure, one.stated, one.computed) for one in found.differences]


def with_inputs(said: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The bundle whose measurement was given something else."""
    measured = said["measured"][0]["measured"]
    inputs = msgspec.json.decode(measured["inputs"]) | changes
    measured["inputs"] = msgspec.json.encode(inputs, order="sorted").decode()
    return said


def readings(said: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(said["measured"][0]["measured"]["inputs"])[
        "readings"
    ]
    return found


async def test_a_measurement_of_its_own_terms_and_readings_is_proved(said: dict[str, Any]) -> None:
    assert figures(said) == []


async def test_other_terms_than_were_agreed_are_named(said: dict[str, Any]) -> None:
    terms = said["versions"][0]["terms"]
    found = figures(with_inputs(said, terms=terms + " "))
    assert found == [("terms of the measurement", terms + " ", terms)]


async def test_terms_of_a_version_that_is_not_there_are_named(said: dict[str, Any]) -> None:
    terms = said["versions"][0]["terms"]
    other = {**said["versions"][0], "id": "0" * 32}
    said["versions"].append(other)
    assert figures(said) == []
    said["versions"][0]["id"], other["id"] = other["id"], said["versions"][0]["id"]
    other["terms"] = terms + " "
    assert figures(said) == [("terms of the measurement", terms, terms + " ")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("said", row(1, 4)),
        ("kind", "correction"),
        ("attester_kind", "customer_system"),
        ("id", "evd_x"),
    ],
)
async def test_a_reading_that_nobody_signed_so_is_named(
    said: dict[str, Any], field: str, value: str
) -> None:
    first, second = readings(said)
    changed = {**first, field: value}
    found = figures(with_inputs(said, readings=[changed, second]))
    assert (f"readings of evidence {changed['id']}", "signed", "not signed by anyone") in found


async def test_a_reading_that_was_left_out_is_told(said: dict[str, Any]) -> None:
    found = figures(with_inputs(said, readings=readings(said)[:1]))
    assert found == [("readings of the measurement", 1, 2)]


async def test_inputs_that_cannot_be_read_are_no_bundle(said: dict[str, Any]) -> None:
    with pytest.raises(BundleInvalid, match="inputs of the settlement's measurement are not valid"):
        figures(with_inputs(said, readings=None))


async def test_another_saving_than_is_measured_again_is_told_figure_by_figure(
    said: dict[str, Any],
) -> None:
    """The bundle states two castings, 21.00; measured again it is one, 10.50."""

    def one_casting(inputs: str) -> EffectMeasurement:
        return EffectMeasurement(inputs, {SENSOR.value: 1_000_000})

    found = figures(said, one_casting)
    assert found[:3] == [
        ("measured", {SENSOR.value: 2_000_000}, {SENSOR.value: 1_000_000}),
        ("micro", 2_000_000, 1_000_000),
        ("minor", 21_00, 10_50),
    ]
    assert [figure for figure, _, _ in found] == ["measured", "micro", "minor", "parts"]
