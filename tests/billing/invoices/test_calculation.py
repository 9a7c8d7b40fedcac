"""Calculation of a period's invoice from its usage totals and terms."""

from dataclasses import replace
from fractions import Fraction
from uuid import UUID

import pytest

from billing.accounts.profiles import get_profile
from billing.invoices.calculation import (
    TermsUsage,
    compute_amounts,
    load_period_usage,
    load_usage_by_period,
    sum_lines,
)
from billing.rating.quantities import NO_USAGE, Quantities
from billing.rating.statement import LineKind, ModelUsage, StatementLine
from billing.rating.taxes import Tax, TaxedAmount, TaxTreatment
from billing.rating.terms import PlanTerms
from billing.subscriptions.periods import ensure_period_at
from billing.subscriptions.plans import PlanNotFound
from tests.support.billing.making import append, call
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story

NET = PlanTerms("net", {"en": "Net", "zh": "净"}, "CNY", prices=())
GROSS = replace(NET, plan="gross", tax_inclusive=True)
TERMS = {terms.version_id(): terms for terms in (NET, GROSS)}
TAX = Tax(TaxTreatment.STANDARD, 130_000)


def line(terms: PlanTerms, kind: LineKind, minor: int) -> StatementLine:
    return StatementLine(kind, minor, terms.version_id())


async def used_by(firm: Firm) -> list[TermsUsage]:
    story = firm.story
    await story.counts()
    async with story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        period = await ensure_period_at(session, firm.account.id, story.clock.now())
        return [*(await load_period_usage(session, profile, period)).terms_usages]


class TestInvoiceAmounts:
    def test_net_and_tax_inclusive_lines_are_summed_with_tax(self) -> None:
        """13 % of tax:

            net     usage 100.00, discount -10.00, fee 50.00 = 140.00    tax 18.20
            gross   usage 113.00, minimum 11.30,  fee 22.60  = 146.90    net 130.00, tax 16.90

        In all 270.00 net and 35.10 of tax. Usage: 90.00 + 124.30 / 1.13 = 110.00 -> 200.00.
        """
        lines = [
            line(NET, LineKind.USAGE, 100_00),
            line(NET, LineKind.DISCOUNT, -10_00),
            line(NET, LineKind.FIXED_FEE, 50_00),
            line(GROSS, LineKind.LATE_USAGE, 113_00),
            line(GROSS, LineKind.MINIMUM, 11_30),
            line(GROSS, LineKind.FIXED_FEE, 22_60),
        ]
        amounts = sum_lines(lines, TERMS, TAX)
        assert amounts.taxed == TaxedAmount(270_00, 35_10, 305_10)
        assert amounts.usage == 200_00

    def test_no_lines_sum_to_zero(self) -> None:
        amounts = sum_lines([], TERMS, TAX)
        assert (amounts.taxed, amounts.usage) == (TaxedAmount(0, 0, 0), 0)

    def test_unused_fee_credit_does_not_count_as_usage(self) -> None:
        lines = [line(NET, LineKind.UNUSED_FEE, -10_00), line(NET, LineKind.FIXED_FEE, 30_00)]
        amounts = sum_lines(lines, TERMS, TAX)
        assert (amounts.taxed, amounts.usage) == (TaxedAmount(20_00, 2_60, 22_60), 0)


class TestTermsUsage:
    async def test_terms_in_force_precede_list_prices_with_their_share_of_days(
        self, story: Story
    ) -> None:
        """Growth from 1 to 10 October, Scale from the 11th, and one call at list prices."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 11)
        await firm.change(await story.plan(SCALE))
        await firm.use("vib", rows=5)
        used = await used_by(firm)
        assert [(one.terms.plan, one.share) for one in used] == [
            ("growth", Fraction(10, 31)),
            ("scale", Fraction(21, 31)),
            ("list", Fraction(0)),
        ]
        assert used[0].consumed == used[1].consumed == ()
        assert used[2].consumed == [ModelUsage("vib", NO_USAGE + Quantities(rows=5))]

    async def test_resubscribed_plan_sums_its_days(self, story: Story) -> None:
        """1 to 4 October and 20 to 31: 4 + 12 = 16 of 31 days."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 5)
        await firm.cancel(at_end=False)
        story.clock.set(2026, 10, 20)
        await firm.subscribe(await story.plan(GROWTH))
        (used,) = await used_by(firm)
        assert used.share == Fraction(16, 31)

    async def test_calls_without_terms_use_list_prices(self, story: Story) -> None:
        """Calls recorded before plans existed name no terms and are added to list-price usage."""
        firm = await story.firm()
        now, tokens = story.clock.now(), Quantities(output_tokens=1)
        await append(
            story.database,
            call(firm.account.id, now, model="llm", quantities=tokens),
            call(firm.account.id, now, rows=2),
        )
        await firm.use("vib", rows=40)
        (used,) = await used_by(firm)
        assert used.terms.plan == "list"
        assert sorted(used.consumed, key=lambda one: one.model) == [
            ModelUsage("llm", NO_USAGE + tokens),
            ModelUsage("vib", NO_USAGE + Quantities(rows=42), NO_USAGE + NO_USAGE),
        ]

    async def test_unknown_plan_version_raises_plan_not_found(self, story: Story) -> None:
        firm = await story.firm()
        unknown = call(firm.account.id, story.clock.now(), plan_version_id=UUID(int=9))
        await append(story.database, unknown)
        with pytest.raises(PlanNotFound, match="refer to unknown terms"):
            await used_by(firm)


async def test_usage_by_period_is_empty_without_periods(story: Story) -> None:
    firm = await story.firm()
    async with story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        assert await load_usage_by_period(session, profile, []) == []


async def test_period_usage_of_running_month_has_lines_and_tax(story: Story) -> None:
    """The preview of 12 October: 410,000 used, 310,000 included, 0.20, and 6 % of tax."""
    firm = await story.firm(tax_ppm=60_000)
    await firm.subscribe(await story.plan(GROWTH))
    story.clock.set(2026, 10, 12)
    await firm.use("llm", output_tokens=410_000)
    await story.counts()
    async with story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        period = await ensure_period_at(session, firm.account.id, story.clock.now())
        lines = (await load_period_usage(session, profile, period)).lines()
        amounts = await compute_amounts(session, profile, lines)
    assert [(one.kind, one.minor, one.included) for one in lines] == [(LineKind.USAGE, 20, 310_000)]
    assert amounts.taxed == TaxedAmount(20, 1, 21)
