"""Calls covered by an outcome contract: coverage spans and proration."""

from datetime import UTC, datetime
from typing import Any

from billing.outcomes.contracts.terms import OutcomeTerms
from billing.rating.terms import Allowance
from billing.subscriptions.covered_calls import CoverageSpan, list_coverage_spans
from tests.support.stories.outcome_story import contract, proposed, terms
from tests.support.stories.story import Firm, Story

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def changed(firm: Firm, **values: Any) -> OutcomeTerms:
    """The default terms with twice as many covered units."""
    return terms(firm, covered=(Allowance("vib", "rows", 2_000),), **values)


async def found(
    firm: Firm, since: datetime = LONG_AGO, until: datetime | None = None
) -> list[CoverageSpan]:
    async with firm.story.database.transaction() as session:
        return await list_coverage_spans(session, firm.account.id, since, until)


async def test_contract_units_are_prorated_by_days(story: Story) -> None:
    """1,000 rows a month are covered from 16 October: 16 of 31 days are 516 rows. Of 700 rows used,
    184 cost 0.18; in November all 700 rows are covered."""
    firm = await story.firm()
    spindles = await contract(firm, starts_at=story.clock.at(2026, 10, 16))
    story.clock.set(2026, 10, 20)
    await spindles.use("M1", 2026, 10, 17, rows=700)
    await spindles.until(2026, 11, 1, 1)
    await spindles.use("M1", 2026, 11, 17, rows=700)
    await spindles.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert await firm.lines(october) == [("usage", "vib", "rows", 700, 516, "0.18")]
    assert await firm.lines(november) == [("usage", "vib", "rows", 700, 700, "0.00")]
    assert await story.differences() == ()


class TestCoverageSpans:
    async def test_contract_version_ends_when_the_next_starts(self, story: Story) -> None:
        firm, at = await story.firm(), story.clock.at
        spindles = await contract(firm)
        await spindles.agrees(changed(firm, starts_at=at(2026, 10, 16), ends_at=at(2026, 11, 1)))
        first, second = (one.plan_version_id for one in spindles.versions)
        spans = [(one.plan_version_id, one.starts_at, one.ends_at) for one in await found(firm)]
        assert spans == [
            (first, at(2026, 10, 1), at(2026, 10, 16)),
            (second, at(2026, 10, 16), at(2026, 11, 1)),
        ]
        assert {one.tag for one in await found(firm)} == {"spindles"}

    async def test_version_replaced_before_its_start_has_no_span(self, story: Story) -> None:
        """The newer version starts earlier."""
        firm, at = await story.firm(), story.clock.at
        spindles = await contract(firm, starts_at=at(2026, 10, 16))
        await spindles.agrees(changed(firm, starts_at=at(2026, 10, 9)))
        (only,) = await found(firm)
        assert (only.plan_version_id, only.ends_at) == (spindles.versions[-1].plan_version_id, None)

    async def test_version_agreed_by_one_party_has_no_span(self, story: Story) -> None:
        firm = await story.firm()
        spindles = await proposed(firm, "spindles")
        await spindles.agrees(terms(firm), both=False)
        assert await found(firm) == []

    async def test_spans_are_filtered_by_time_range(self, story: Story) -> None:
        firm, at = await story.firm(), story.clock.at
        await contract(firm, starts_at=at(2026, 10, 9), ends_at=at(2026, 10, 16))
        (one,) = await found(firm)
        assert [
            one.contains(at(2026, 10, *day)) for day in ((8, 23, 59), (9,), (15, 23), (16,))
        ] == [
            False,
            True,
            True,
            False,
        ]
        assert await found(firm, at(2026, 10, 15, 23), at(2026, 10, 17)) == [one]
        assert await found(firm, at(2026, 10, 16)) == []
        assert await found(firm, at(2026, 10, 1), at(2026, 10, 9)) == []

    async def test_spans_of_another_account_are_not_returned(self, story: Story) -> None:
        await contract(await story.firm())
        assert await found(await story.firm("Other")) == []
