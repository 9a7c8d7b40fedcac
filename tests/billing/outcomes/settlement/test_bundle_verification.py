"""Bundle verification: a measurement must use the bundle's terms and all its readings.

Outcomes and signatures are tested in test_replay.py.
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
    """The bundle of a month measured from two readings."""
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
    """The bundle with `changes` applied to its measurement inputs."""
    measured = said["measured"][0]["measured"]
    inputs = msgspec.json.decode(measured["inputs"]) | changes
    measured["inputs"] = msgspec.json.encode(inputs, order="sorted").decode()
    return said


def readings(said: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(said["measured"][0]["measured"]["inputs"])[
        "readings"
    ]
    return found


async def test_measurement_with_terms_and_readings_of_the_bundle_has_no_differences(
    said: dict[str, Any],
) -> None:
    assert figures(said) == []


async def test_measurement_terms_that_differ_from_the_version_are_reported(
    said: dict[str, Any],
) -> None:
    terms = said["versions"][0]["terms"]
    found = figures(with_inputs(said, terms=terms + " "))
    assert found == [("terms of the measurement", terms + " ", terms)]


async def test_measurement_terms_are_compared_with_the_version_of_the_same_id(
    said: dict[str, Any],
) -> None:
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
async def test_reading_that_differs_from_signed_evidence_is_reported(
    said: dict[str, Any], field: str, value: str
) -> None:
    first, second = readings(said)
    changed = {**first, field: value}
    found = figures(with_inputs(said, readings=[changed, second]))
    assert (f"readings of evidence {changed['id']}", "signed", "not signed by anyone") in found


async def test_omitted_reading_is_reported(said: dict[str, Any]) -> None:
    found = figures(with_inputs(said, readings=readings(said)[:1]))
    assert found == [("readings of the measurement", 1, 2)]


async def test_invalid_measurement_inputs_raise_bundle_invalid(said: dict[str, Any]) -> None:
    with pytest.raises(BundleInvalid, match="inputs of the settlement's measurement are not valid"):
        figures(with_inputs(said, readings=None))


async def test_each_figure_that_differs_from_the_recomputation_is_reported(
    said: dict[str, Any],
) -> None:
    """The bundle states two castings, 21.00; the recomputation gives one, 10.50."""

    def one_casting(inputs: str) -> EffectMeasurement:
        return EffectMeasurement(inputs, {SENSOR.value: 1_000_000})

    found = figures(said, one_casting)
    assert found[:3] == [
        ("measured", {SENSOR.value: 2_000_000}, {SENSOR.value: 1_000_000}),
        ("micro", 2_000_000, 1_000_000),
        ("minor", 21_00, 10_50),
    ]
    assert [figure for figure, _, _ in found] == ["measured", "micro", "minor", "parts"]
