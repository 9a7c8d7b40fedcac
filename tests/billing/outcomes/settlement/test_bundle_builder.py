"""Evidence bundle of a month: its measurement and the readings used for it."""

from datetime import date

import pytest

from billing.outcomes.settlement.bundle import EvidenceBundle, parse_bundle
from billing.outcomes.settlement.measurement_inputs import (
    MeasurementInputs,
    parse_measurement_inputs,
)
from billing.tables import OutcomeSettlement
from infra import ids
from tests.support.outcomes.given_effects import FIT, SENSOR, SYSTEM, less_scrap, row
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story


async def october(of: Contract) -> tuple[OutcomeSettlement, EvidenceBundle]:
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    return settled, parse_bundle(settled.bundle)


def inputs_in(bundle: EvidenceBundle) -> list[MeasurementInputs]:
    return [parse_measurement_inputs(one.measured.inputs) for one in bundle.measured]


@pytest.fixture
async def scrap(story: Story) -> Contract:
    made = await less_scrap(await story.firm())
    story.clock.set(2026, 11, 2)
    return made


async def test_bundle_holds_measurement_and_readings_received_before_cutoff(
    scrap: Contract,
) -> None:
    """Two castings at 25 % of 42.00 are 21.00. A reading after the cut-off is not in the bundle."""
    first = await scrap.says("readings", SENSOR, row(1))
    second = await scrap.says("readings", SYSTEM, row(2))
    scrap.firm.story.clock.set(2026, 11, 4, 1)
    await scrap.says("readings", SENSOR, row(3))
    settled, bundle = await october(scrap)
    assert (settled.micro, settled.minor) == (2_000_000, 21_00)
    (inputs,) = inputs_in(bundle)
    assert (inputs.first, inputs.until, inputs.baseline) == (
        date(2026, 10, 1),
        date(2026, 11, 1),
        FIT,
    )
    named = [ids.format_id("evd", one) for one in (first, second)]
    assert [one.id for one in inputs.readings] == named
    assert [(one.id, one.attester_kind) for one in bundle.evidence] == [
        (named[0], "neutral_sensor"),
        (named[1], "customer_system"),
    ]
    assert bundle.measured[0].version == scrap.versions[0].id.hex


async def test_each_version_is_measured_on_its_days_with_readings_stored_once(
    story: Story,
) -> None:
    """A second version is in force from 16 October; two castings under each are 42.00 in total."""
    scrap = await less_scrap(await story.firm(), later=[story.clock.at(2026, 10, 16)])
    story.clock.set(2026, 11, 2)
    said = [await scrap.says("readings", SENSOR, row(day)) for day in (1, 20)]
    settled, bundle = await october(scrap)
    assert settled.minor == 42_00
    assert [(one.first, one.until) for one in inputs_in(bundle)] == [
        (date(2026, 10, 1), date(2026, 10, 16)),
        (date(2026, 10, 16), date(2026, 11, 1)),
    ]
    assert [one.version for one in bundle.measured] == [one.id.hex for one in scrap.versions]
    assert [one.id for one in bundle.evidence] == [ids.format_id("evd", one) for one in said]


async def test_version_starting_after_the_month_is_not_measured(story: Story) -> None:
    scrap = await less_scrap(await story.firm(), later=[story.clock.at(2026, 12, 1)])
    _, bundle = await october(scrap)
    assert [one.version for one in bundle.measured] == [scrap.versions[0].id.hex]


async def test_event_contract_bundle_has_no_measurement(story: Story) -> None:
    of = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await of.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    settled, bundle = await october(of)
    assert (bundle.measured, settled.minor) == ((), 300_00)
