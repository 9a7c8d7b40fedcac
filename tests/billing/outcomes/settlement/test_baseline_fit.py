"""Baseline fit of a contract version to the signed readings received so far."""

import pytest

from billing.outcomes.contracts.agreement import VersionClosed
from billing.outcomes.contracts.baselines import parse_fit_statistics
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.settlement.baseline_fit import fit_version_baseline
from billing.tables import OutcomeVersion
from tests.support.outcomes.castings import (
    FIRST,
    SCRAP,
    START,
    Day,
    baseline,
    foundry,
    month,
    written,
)
from tests.support.outcomes.deals import CUSTOMER, OPERATOR, Deal, Signer

BEFORE = month(foundry(273), FIRST, START)


class Scrap:
    """A proposed version of the contract on less scrap, on the day before it starts."""

    def __init__(self, deal: Deal, version: OutcomeVersion) -> None:
        self.deal, self.version = deal, version

    async def fits(self) -> OutcomeVersion:
        story, place = self.deal.firm.story, (self.version.contract_id, self.version.number)
        async with story.database.transaction() as session:
            return await fit_version_baseline(session, story.clock, self.deal.account_id, *place)

    async def kept(self) -> str | None:
        return (await self.deal.versions(self.version))[0].baseline

    async def says(self, days: list[Day], by: Signer | None = None) -> None:
        signer = by or await self.deal.attester(self.version)
        await self.deal.says(signer, written(days).encode())


@pytest.fixture
async def scrap(deal: Deal) -> Scrap:
    deal.firm.story.clock.set(2026, 9, 30)
    return Scrap(deal, await deal.proposed(SCRAP))


async def test_baseline_fit_uses_readings_of_all_accepted_attesters(scrap: Scrap) -> None:
    """A neutral sensor covers the first hundred days, the customer's system the others."""
    system = AttesterKind.CUSTOMER_SYSTEM
    await scrap.says(BEFORE[:100])
    await scrap.says(BEFORE[100:], await scrap.deal.attester(scrap.version, system, CUSTOMER))
    fitted = await scrap.fits()
    assert fitted.baseline is not None
    assert await scrap.kept() == fitted.baseline
    assert parse_fit_statistics(fitted.baseline) == parse_fit_statistics(baseline(BEFORE))
    assert parse_fit_statistics(fitted.baseline).days == 273


async def test_second_baseline_fit_replaces_the_first(scrap: Scrap) -> None:
    sensor = await scrap.deal.attester(scrap.version)
    await scrap.says(BEFORE[:260], sensor)
    first = (await scrap.fits()).baseline
    assert (await scrap.fits()).baseline == first
    await scrap.says(BEFORE[260:], sensor)
    second = (await scrap.fits()).baseline
    assert first is not None
    assert second is not None
    assert [parse_fit_statistics(one).days for one in (first, second)] == [260, 273]
    assert await scrap.kept() == second


async def test_baseline_fit_without_readings_is_rejected(scrap: Scrap) -> None:
    with pytest.raises(BaselineFitFailed, match="no readings of the baseline period"):
        await scrap.fits()
    assert await scrap.kept() is None


async def test_baseline_fit_after_a_party_agreed_is_rejected(scrap: Scrap) -> None:
    """A version that a party has agreed to keeps its baseline."""
    sensor = await scrap.deal.attester(scrap.version)
    await scrap.says(BEFORE[:260], sensor)
    fitted = await scrap.fits()
    await scrap.deal.says_yes(fitted, OPERATOR)
    await scrap.says(BEFORE[260:], sensor)
    with pytest.raises(VersionClosed, match="Propose another"):
        await scrap.fits()
    assert await scrap.kept() == fitted.baseline
