"""Contract versions: which one is in force, and on what share of a month's days."""

from datetime import datetime
from fractions import Fraction

from billing.outcomes.contracts.contracts import VersionPeriod, find_contract
from billing.outcomes.contracts.versions import (
    last_version_in,
    list_agreed_versions,
    nearest_version,
    share_in_force,
    version_in_force,
)
from tests.support.stories.outcome_story import Contract, contract, terms
from tests.support.stories.story import SHANGHAI, Story


async def versions(of: Contract) -> list[VersionPeriod]:
    async with of.firm.story.database.transaction() as session:
        row = await find_contract(session, of.firm.account.id, of.row.tag)
        return await list_agreed_versions(session, of.firm.account.id, row.id)


async def two(story: Story) -> list[VersionPeriod]:
    """Version 1 from 7 October, replaced by version 3 from 16 to 26 October; version 2 is agreed by
    one party only."""
    firm, at = await story.firm(), story.clock.at
    of = await contract(firm, starts_at=at(2026, 10, 7))
    await of.agrees(terms(firm, starts_at=at(2026, 10, 10)), both=False)
    await of.agrees(terms(firm, starts_at=at(2026, 10, 16), ends_at=at(2026, 10, 26)))
    return await versions(of)


def number(version: VersionPeriod | None) -> int | None:
    return version and version.version.number


async def test_newest_started_version_is_in_force_until_its_end(story: Story) -> None:
    """The newer version replaces the older one for good: after its end none is in force."""
    found, at = await two(story), story.clock.at
    days = [at(2026, 10, day) for day in (6, 7, 15, 16, 25, 27)]
    assert [number(version_in_force(found, day)) for day in days] == [None, 1, 1, 3, 3, None]
    assert [number(nearest_version(found, day)) for day in days] == [1, 1, 1, 3, 3, 3]


async def test_last_version_of_a_month_is_the_newest_or_else_the_nearest(story: Story) -> None:
    found, at = await two(story), story.clock.at
    assert number(last_version_in(found, at(2026, 10, 1), at(2026, 11, 1))) == 3
    assert number(last_version_in(found, at(2026, 9, 1), at(2026, 10, 1))) == 1
    assert number(last_version_in(found, at(2026, 11, 1), at(2026, 12, 1))) == 3


async def test_share_in_force_counts_days_with_an_agreed_version(story: Story) -> None:
    def share(found: list[VersionPeriod], starts_at: datetime, ends_at: datetime) -> Fraction:
        return share_in_force(found, starts_at, ends_at, SHANGHAI)

    found, at = await two(story), story.clock.at
    month = at(2026, 10, 1), at(2026, 11, 1)
    assert share(found, *month) == Fraction(19, 31)
    assert share(found[1:], *month) == Fraction(10, 31)
    assert share(found[1:], at(2026, 11, 1), at(2026, 12, 1)) == 0
