"""Plan offers: listing, preview, selection, unlisted plans and JSON views."""

import asyncio

import pytest

from billing.plan_changes.offers import find_offer, list_offers, preview_plan, take_plan
from billing.plan_changes.plan_changes import PlanChange, PlanChangePreview
from billing.plan_changes.views import (
    offer_json,
    plan_change_json,
    subscription_json,
    wallet_json,
)
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import PlanNotFound, is_listed, publish_plan
from billing.subscriptions.subscriptions import SamePlan
from billing.tables import PlanVersion
from infra.database.database import Database
from tests.support.stories.story import LISTED, Firm, Story

SMALL = """
plan = "small"
names = { en = "Small", zh = "小型版" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
spend_cap = "50"

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 310_000

[[discount]]
percent = "12.5"
"""
LARGE = SMALL.replace("small", "large").replace("310.00", "620.00")
TRIAL = SMALL.replace("small", "trial").replace("currency", "trial_days = 14\ncurrency")
OWN_DAYS = SMALL.replace("small", "own_days").replace(
    "currency", 'alignment = "anniversary"\ncurrency'
)


@pytest.fixture
async def firm(database: Database) -> Firm:
    story = Story(database)
    firm = await story.firm(tax_ppm=60_000)
    story.clock.set(2026, 10, 21, 9)
    return firm


async def taken(firm: Firm, version: PlanVersion) -> PlanChange:
    async with firm.story.database.transaction() as session:
        return await take_plan(session, firm.story.clock, firm.account.id, version)


async def previewed(firm: Firm, version: PlanVersion) -> PlanChangePreview:
    async with firm.story.database.transaction() as session:
        return await preview_plan(session, firm.story.clock, firm.account.id, version)


class TestPlanOffers:
    async def test_newest_version_of_each_plan_in_the_account_currency_is_offered(
        self, firm: Firm
    ) -> None:
        await firm.story.plan(SMALL)
        newest = await firm.story.plan(SMALL.replace("310.00", "320.00"))
        await firm.story.plan(LARGE.replace("CNY", "USD"))
        async with firm.story.database.transaction() as session:
            found = await list_offers(session, firm.account.id)
            one = await find_offer(session, firm.account.id, "small")
        assert [offer.version.id for offer in found] == [newest.id]
        assert found[0].terms.fixed_fee == 320_00
        assert one.id == newest.id

    @pytest.mark.parametrize("plan", ["list", "nope"])
    async def test_unknown_or_unlisted_plan_raises_plan_not_found(
        self, firm: Firm, plan: str
    ) -> None:
        async with firm.story.database.transaction() as session:
            with pytest.raises(PlanNotFound):
                await find_offer(session, firm.account.id, plan)


class TestPlanSelection:
    @pytest.mark.parametrize(("toml", "total"), [(SMALL, 116_60), (TRIAL, 0), (OWN_DAYS, 328_60)])
    async def test_selected_plan_is_invoiced_as_previewed(
        self, firm: Firm, toml: str, total: int
    ) -> None:
        """On 21 October, 11 of 31 days are 110.00, with tax 116.60; a trial costs 0; with
        anniversary alignment a whole month is invoiced, 328.60."""
        version = await firm.story.plan(toml)
        before = await previewed(firm, version)
        change = await taken(firm, version)
        assert before.now
        assert before.amounts is not None
        assert before.amounts.taxed.total == total
        assert sum(invoice.total for invoice in change.invoices) == total

    async def test_upgrade_is_invoiced_as_previewed(self, firm: Firm) -> None:
        await taken(firm, await firm.story.plan(SMALL))
        large = await firm.story.plan(LARGE)
        before = await previewed(firm, large)
        change = await taken(firm, large)
        assert before.amounts is not None
        assert [invoice.total for invoice in change.invoices] == [before.amounts.taxed.total]

    async def test_repeated_selection_returns_the_same_phase_without_invoice(
        self, firm: Firm
    ) -> None:
        small = await firm.story.plan(SMALL)
        first = await taken(firm, small)
        again = await taken(firm, small)
        assert again.phase.id == first.phase.id
        assert again.invoices == ()
        with pytest.raises(SamePlan):
            await previewed(firm, small)

    async def test_concurrent_selections_create_one_phase_and_one_invoice(self, firm: Firm) -> None:
        small = await firm.story.plan(SMALL)
        one, other = await asyncio.gather(taken(firm, small), taken(firm, small))
        assert one.phase.id == other.phase.id
        assert len(await firm.invoices()) == 1


class TestUnlistedPlan:
    """A negotiated plan is not offered; operators subscribe accounts to it."""

    @pytest.fixture
    async def hidden(self, firm: Firm) -> PlanVersion:
        await firm.story.plan(SMALL)
        return await publishes(firm, LARGE, listed=False)

    async def test_unlisted_plan_is_not_offered_and_looks_absent(
        self, firm: Firm, hidden: PlanVersion
    ) -> None:
        async with firm.story.database.transaction() as session:
            found = await list_offers(session, firm.account.id)
            with pytest.raises(PlanNotFound) as refused:
                await find_offer(session, firm.account.id, "large")
            with pytest.raises(PlanNotFound) as absent:
                await find_offer(session, firm.account.id, "absent")
        assert [one.version.plan for one in found] == ["small"]
        assert refused.value.message.replace("large", "absent") == absent.value.message

    async def test_account_subscribed_to_an_unlisted_plan_sees_its_terms(
        self, firm: Firm, hidden: PlanVersion
    ) -> None:
        await firm.subscribe(hidden)
        async with firm.story.database.transaction() as session:
            shown = await subscription_json(session, firm.story.clock, firm.account.id)
        assert (shown["plan"]["plan"], shown["plan"]["fixed_fee"]) == ("large", "620.00")

    async def test_listing_does_not_change_the_version_id(
        self, firm: Firm, hidden: PlanVersion
    ) -> None:
        again = await publishes(firm, LARGE)
        listed = await publishes(firm, LARGE, listed=True)
        assert hidden.id == again.id == listed.id
        assert hidden.number == listed.number == 1
        async with firm.story.database.transaction() as session:
            assert (await find_offer(session, firm.account.id, "large")).id == hidden.id

    async def test_new_version_of_an_unlisted_plan_is_unlisted_by_default(
        self, firm: Firm, hidden: PlanVersion
    ) -> None:
        newer = LARGE.replace("620", "630")
        assert (await publishes(firm, newer)).number == 2
        await publishes(firm, newer, listed=False)
        async with firm.story.database.transaction() as session:
            assert not await is_listed(session, "large", "CNY")
            assert await is_listed(session, "large", "USD")

    @pytest.mark.parametrize("plan", ["", "a\0b", "large ", "x" * 10_000])
    async def test_malformed_plan_name_raises_plan_not_found(self, firm: Firm, plan: str) -> None:
        async with firm.story.database.transaction() as session:
            with pytest.raises(PlanNotFound):
                await find_offer(session, firm.account.id, plan)


async def publishes(firm: Firm, toml: str, listed: bool | None = None) -> PlanVersion:
    terms = parse_plan_file(toml, lambda _currency: LISTED)
    async with firm.story.database.transaction() as session:
        return await publish_plan(session, firm.story.clock, terms, listed)


class TestPlanJson:
    async def test_offer_json_contains_fees_allowances_discounts_and_prices(
        self, firm: Firm
    ) -> None:
        version = await firm.story.plan(SMALL)
        async with firm.story.database.transaction() as session:
            (offer,) = await list_offers(session, firm.account.id)
        shown = offer_json(offer)
        assert (shown["plan"], shown["number"], shown["version"]) == ("small", 1, version.id.hex)
        assert (shown["fixed_fee"], shown["interval"]) == ("310.00", "month")
        assert shown["spend_cap"] == "50.000000000"
        assert shown["allowances"] == [
            {"model": "llm", "meter": "output_tokens", "quantity": 310_000}
        ]
        assert shown["discounts"] == [{"model": "*", "percent": "12.5"}]
        assert {
            "model": "vib",
            "meter": "rows",
            "price": {"kind": "per_unit", "unit": "0.001000000"},
        } in shown["prices"]

    async def test_subscription_json_shows_status_plan_and_scheduled_change(
        self, firm: Firm
    ) -> None:
        small, large = await firm.story.plan(SMALL), await firm.story.plan(LARGE)
        assert (await self.subscription(firm))["status"] == "none"
        await taken(firm, large)
        shown = await self.subscription(firm)
        assert (shown["status"], shown["plan"]["plan"]) == ("active", "large")
        assert (shown["ends_at"], shown["following"]) == (None, None)
        assert shown["paid_until"] == "2026-10-31T16:00:00+00:00"
        down = await previewed(firm, small)
        await taken(firm, small)
        shown = await self.subscription(firm)
        assert (shown["following"]["plan"], shown["following"]["starts_at"]) == (
            "small",
            "2026-10-31T16:00:00+00:00",
        )
        async with firm.story.database.transaction() as session:
            told = await plan_change_json(session, firm.account.id, small, down)
        assert (told["takes_effect"], told["total"], told["lines"]) == (
            "when_the_paid_time_ends",
            "0.00",
            [],
        )

    async def test_subscription_json_of_a_trial_without_spend_cap(self, firm: Firm) -> None:
        await taken(firm, await firm.story.plan(TRIAL.replace('spend_cap = "50"\n', "")))
        shown = await self.subscription(firm)
        assert (shown["status"], shown["plan"]["spend_cap"]) == ("trialing", None)

    async def test_preview_json_contains_net_tax_total_and_lines(self, firm: Firm) -> None:
        small = await firm.story.plan(SMALL)
        before = await previewed(firm, small)
        async with firm.story.database.transaction() as session:
            told = await plan_change_json(session, firm.account.id, small, before)
        assert (told["takes_effect"], told["net"], told["tax"], told["total"]) == (
            "now",
            "110.00",
            "6.60",
            "116.60",
        )
        assert [line["amount"] for line in told["lines"]] == ["110.00"]

    async def test_wallet_json_contains_balance_and_grants(self, firm: Firm) -> None:
        await firm.tops_up("50.00", "bank-1")
        at = firm.story.clock.at(2026, 12, 1)
        await firm.tops_up("5.00", "gift", paid=False, priority=10, expires_at=at)
        async with firm.story.database.transaction() as session:
            wallet = await wallet_json(session, firm.account.id)
        assert (wallet["balance"], wallet["currency"]) == ("55.00", "CNY")
        given, paid = wallet["grants"]
        assert (given["paid"], given["left"], given["expires_at"]) == (
            False,
            "5.00",
            "2026-11-30T16:00:00+00:00",
        )
        assert (paid["paid"], paid["amount"], paid["expires_at"]) == (True, "50.00", None)

    async def subscription(self, firm: Firm) -> dict[str, object]:
        async with firm.story.database.transaction() as session:
            return await subscription_json(session, firm.story.clock, firm.account.id)
