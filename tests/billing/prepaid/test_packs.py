"""Prepaid packs, hand-computed: purchase, use, invoice, expiry, refund and revenue.

A pack of 1,000 rows costs 0.80 and 6 % tax: 0.05 (0.848 rounds to 0.85). A row costs 0.001.
"""

import asyncio

import pytest

from billing.accounts.profiles import lock_profile
from billing.invoice_documents.builder import build_invoice_document
from billing.invoices.usage_position import load_usage_position
from billing.ledger.ledger import Book
from billing.notifications.monitored_limits import load_monitored_limits
from billing.prepaid.pack_errors import (
    PackFundsInsufficient,
    PackPurchaseConflict,
    PackPurchaseNotFound,
    PackUnavailable,
)
from billing.prepaid.pack_offers import (
    PackInvalid,
    PackNotFound,
    list_all_packs,
    list_offered_packs,
    parse_pack_file,
    withdraw_pack,
)
from billing.prepaid.pack_purchases import (
    find_purchase_account,
    get_purchase,
    list_pack_purchases,
    list_purchases,
    parse_purchase_id,
)
from billing.prepaid.pack_revenue import list_recognitions
from billing.prepaid.views import pack_json, purchase_json
from billing.rating.terms import TermsInvalid
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.pack_story import (
    ROWS_1000,
    TOKENS,
    bought,
    buys,
    funded,
    offers,
    pack_jobs,
    usable,
    uses,
)
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


class TestPackFile:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('pack = "rows_1000"', 'pack = "1000 rows"', "pack: must be an identifier"),
            ('meter = "rows"', 'meter = "calls"', "meter: must be one of tokens, input_tokens"),
            ("units = 1_000", "units = 0", "units: must be from 1"),
            ("validity_days = 30", "validity_days = 4000", "validity_days: must be from 1"),
            ('price = "0.80"', 'price = "0.00"', "price: must be more than zero"),
            ('price = "0.80"', 'price = "much"', "price: "),
            ('currency = "CNY"', 'currency = "yuan"', "price: "),
            ('model = "vib"', 'model = "unknown"', "model: is not a model"),
            ("units = 1_000", "units = 1_000\nmax_total = 0", "max_total: must be at least 1"),
            ("units = 1_000", "units = 1_000\ncolour = 1", "cannot be read"),
            ('en = "1,000 rows"', 'en = " "', "names: must not be empty"),
        ],
    )
    def test_invalid_field_is_named(self, old: str, new: str, message: str) -> None:
        with pytest.raises(PackInvalid, match=message):
            parse_pack_file(ROWS_1000.replace(old, new), {"vib"})

    def test_pack_needs_names_in_both_languages(self) -> None:
        with pytest.raises(TermsInvalid, match="names: must have en and zh"):
            parse_pack_file(ROWS_1000.replace('zh = "1000 行推理"', 'fr = "lignes"'))


class TestOffers:
    async def test_changed_pack_replaces_its_offer_and_the_same_one_does_not(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        first = await offers(story)
        assert (await offers(story)).id == first.id
        second = await offers(story, ROWS_1000.replace('"0.80"', '"0.90"'))
        async with story.database.transaction() as session:
            offered = await list_offered_packs(session, firm.account.id)
            everything = await list_all_packs(session)
            withdrawn = await withdraw_pack(session, story.clock, "rows_1000", "CNY")
        assert [(one.pack.id, one.pack.minor) for one in offered] == [(second.id, 90)]
        assert [one.pack.id for one in everything] == [second.id, first.id]
        assert withdrawn.id == second.id
        async with story.database.transaction() as session:
            with pytest.raises(PackNotFound):
                await withdraw_pack(session, story.clock, "rows_1000", "CNY")
            with pytest.raises(PackNotFound):
                await withdraw_pack(session, story.clock, "no name", "CNY")
        with pytest.raises(PackNotFound):
            await buys(firm)


class TestPurchase:
    async def test_wallet_pays_the_pack_with_tax_at_once(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        assert (await buys(firm)).id == purchase.id  # the same key
        (invoice,) = await firm.invoices()
        assert (invoice.status, firm.amounts(invoice)) == ("paid", ("0.80", "0.05", "0.85"))
        assert await firm.lines(invoice) == [("pack", "vib", "rows", 1_000, 0, "0.80")]
        assert await firm.wallet() == "9.15"
        assert await firm.balance(Book.DEFERRED_REVENUE) == -80
        now = await bought(firm, purchase)
        assert (now.purchase.state, now.remaining) == ("active", 1_000)
        assert now.purchase.expires_at == story.clock.at(2026, 10, 31)
        async with story.database.transaction() as session:
            english = await build_invoice_document(session, firm.account.id, invoice.id, "en")
            chinese = await build_invoice_document(session, firm.account.id, invoice.id, "zh")
        expected = "Prepaid pack 1,000 rows: inference rows of vib"
        assert english.lines[0].description == expected
        assert chinese.lines[0].description == "资源包“1000 行推理”：vib 推理行数（行）"
        assert await story.differences() == ()

    async def test_key_of_another_purchase_is_refused(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        await buys(firm)
        with pytest.raises(PackPurchaseConflict):
            await buys(firm, method="invoice")

    async def test_wallet_money_that_usage_needs_is_not_free(self, story: Story) -> None:
        """10.00 less 9.50 x 1.06 = 10.07 for usage: nothing is free."""
        firm = await funded(story)
        await offers(story)
        await firm.use("vib", rows=9_400)
        await story.counts()
        with pytest.raises(PackFundsInsufficient, match=r"costs 0\.85 CNY .* 0\.0[34] CNY"):
            await buys(firm)
        assert await firm.invoices() == []

    async def test_account_without_a_credit_limit_buys_from_its_wallet(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        unlimited = "update quota set amount = null where account_id = :of and kind = 'credit'"
        await sql(story.database, unlimited, of=firm.account.id)
        assert (await buys(firm)).state == "active"

    async def test_leased_credit_is_not_free(self, story: Story) -> None:
        firm = await funded(story, "1")
        await offers(story)
        lease = "update quota set leased = amount where account_id = :of and kind = 'credit'"
        await sql(story.database, lease, of=firm.account.id)
        with pytest.raises(PackFundsInsufficient):
            await buys(firm)

    async def test_pack_paid_by_invoice_becomes_usable_when_it_is_paid(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm, method="invoice")
        (invoice,) = await firm.invoices()
        assert (invoice.status, await firm.wallet(), await usable(firm)) == ("open", "10.00", [])
        story.clock.set(2026, 10, 2, 9, 30)
        await firm.pays(invoice, "0.85")
        now = await bought(firm, purchase)
        assert now.purchase.starts_at == story.clock.now()
        assert [ref.meter for ref in await usable(firm)] == ["rows"]
        assert await story.differences() == ()

    async def test_unpaid_pack_is_canceled_with_its_invoice(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm, method="invoice")
        await pack_jobs(story)
        assert (await bought(firm, purchase)).purchase.state == "unpaid"
        story.clock.set(2026, 10, 4)
        assert await pack_jobs(story) == 1
        assert (await bought(firm, purchase)).purchase.state == "canceled"
        assert [invoice.status for invoice in await firm.invoices()] == ["void"]
        assert await firm.balance(Book.DEFERRED_REVENUE) == 0
        assert await story.differences() == ()

    async def test_pack_paid_in_part_stays_open(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm, method="invoice")
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "0.40")
        story.clock.set(2026, 10, 4)
        await pack_jobs(story)
        assert await pack_jobs(story) == 0
        assert (await bought(firm, purchase)).purchase.state == "unpaid"

    async def test_plan_allows_use_on_account_until_the_invoice_is_voided(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        await offers(story, ROWS_1000 + 'on_account_plans = ["growth"]\n')
        with pytest.raises(PackUnavailable, match="does not allow"):
            await buys(firm, method="on_account")
        await firm.subscribe(await story.plan(GROWTH))
        purchase = await buys(firm, method="on_account")
        await uses(firm, "vib", {"rows": {purchase.id: 400}}, rows=400)
        await pack_jobs(story)
        assert await firm.balance(Book.REVENUE_PACKS) == -32
        invoice = next(one for one in await firm.invoices() if one.id == purchase.invoice_id)
        await story.voids(invoice)
        assert (await bought(firm, purchase)).purchase.state == "canceled"
        assert await usable(firm) == []
        assert await firm.balance(Book.REVENUE_PACKS) == 0
        async with story.database.transaction() as session:
            rows = await list_recognitions(session, firm.account.id, purchase.id)
        assert [(row.reason, row.units, row.minor) for row in rows] == [
            ("used", 400, 32),
            ("canceled", 0, -32),
        ]
        assert await story.differences() == ()

    async def test_pack_on_account_takes_available_credit_until_it_is_paid(
        self, story: Story
    ) -> None:
        """Credit 1.00, a pack of 0.80 + 0.05 tax. After 0.40: 0.45 * 0.80 / 0.85 = 0.43 owed."""
        firm = await story.firm(credit="1", tax_ppm=60_000)
        await offers(story, ROWS_1000 + 'on_account_plans = ["growth"]\n')
        await firm.subscribe(await story.plan(GROWTH))
        purchase = await buys(firm, method="on_account")
        assert await firm.credit() == "0.2"
        with pytest.raises(PackFundsInsufficient, match=r"0\.80 CNY before tax.* is 0\.20 CNY"):
            await buys(firm, method="on_account", key="second")
        invoice = next(one for one in await firm.invoices() if one.id == purchase.invoice_id)
        await firm.pays(invoice, "0.40", "first")
        assert await firm.credit() == "0.57"
        with pytest.raises(PackFundsInsufficient, match=r"is 0\.57 CNY"):
            await buys(firm, method="on_account", key="second")
        await firm.pays(invoice, "0.45", "second")
        assert (await buys(firm, method="on_account", key="second")).state == "active"
        assert await story.differences() == ()

    async def test_suspended_account_and_voucher_method_are_refused(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        with pytest.raises(PackUnavailable, match="redeemed"):
            await buys(firm, method="voucher")
        suspend = "update billing_profile set suspended_at = now() where account_id = :of"
        await sql(story.database, suspend, of=firm.account.id)
        with pytest.raises(PackUnavailable, match="suspended"):
            await buys(firm)

    async def test_limits_hold_for_purchases_at_the_same_time(self, story: Story) -> None:
        """Three in all: of six purchases of two accounts three succeed, two of one account."""
        pack = ROWS_1000 + "max_per_account = 2\nmax_total = 3\n"
        await offers(story, pack)
        firms = [await funded(story, name=name) for name in ("A", "B")]
        results = await asyncio.gather(
            *(buys(firm, key=f"p{at}") for firm in firms for at in range(3)),
            return_exceptions=True,
        )
        refused = [one for one in results if isinstance(one, PackUnavailable)]
        assert len(refused) == 3
        counts = sorted([len(await firm.invoices()) for firm in firms])
        assert counts == [1, 2]
        async with story.database.transaction() as session:
            everything = await list_pack_purchases(session)
            assert len(everything) == 3
            older = await list_pack_purchases(session, before=everything[0].purchase.id)
            assert [one.purchase.id for one in older] == [one.purchase.id for one in everything[1:]]
            own = await list_pack_purchases(session, account_id=firms[0].account.id)
            assert {one.purchase.account_id for one in own} == {firms[0].account.id}
            assert len(own) in counts
            (first, *_) = await list_offered_packs(session, firms[0].account.id)
        assert pack_json(first)["max_per_account"] == 2

    async def test_another_accounts_purchase_is_not_found(self, story: Story) -> None:
        firm = await funded(story)
        other = await story.firm("Other")
        await offers(story)
        purchase = await buys(firm)
        async with story.database.transaction() as session:
            assert await find_purchase_account(session, purchase.id) == firm.account.id
            with pytest.raises(PackPurchaseNotFound):
                await find_purchase_account(session, ids.new_id())
            with pytest.raises(PackPurchaseNotFound):
                await get_purchase(session, other.account.id, purchase.id)
            assert await list_purchases(session, other.account.id) == []
        with pytest.raises(PackPurchaseNotFound):
            parse_purchase_id("pack_1")
        assert parse_purchase_id(ids.format_id("pack", purchase.id)) == purchase.id


class TestUse:
    async def test_first_to_expire_is_used_first_and_a_token_pack_names_each_meter(
        self, story: Story
    ) -> None:
        firm = await funded(story)
        await offers(story)
        await offers(story, TOKENS)
        await offers(story, TOKENS.replace('"tokens"\nnames', '"short"\nnames').replace("90", "5"))
        long, short = await buys(firm, "tokens"), await buys(firm, "short", key="p2")
        meters = ("input_tokens", "cached_input_tokens", "output_tokens")
        assert [(ref.id, ref.meter) for ref in await usable(firm)] == [
            *((str(short.id), meter) for meter in meters),
            *((str(long.id), meter) for meter in meters),
        ]

    async def test_pack_is_usable_until_the_instant_of_its_expiry(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        story.clock.set(2026, 10, 30, 23, 59, 59)
        assert len(await usable(firm)) == 1
        now = purchase_json(await bought(firm, purchase), story.clock.now())
        assert (now["status"], now["remaining"]) == ("active", 1_000)
        story.clock.set(2026, 10, 31)
        assert await usable(firm) == []
        now = purchase_json(await bought(firm, purchase), story.clock.now())
        assert (now["status"], now["remaining"]) == ("expired", 0)

    async def test_invoice_shows_covered_units_at_zero(self, story: Story) -> None:
        """1,000 of 1,500 rows are covered; 500 cost 0.50."""
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        await uses(firm, "vib", {"rows": {purchase.id: 700}}, rows=700)
        assert await firm.credit() == "8.632075471"  # 9.15 / 1.06
        await uses(firm, "vib", {"rows": {purchase.id: 300}}, rows=800)
        assert (await bought(firm, purchase)).remaining == 0
        assert await usable(firm) == []
        await story.until(2026, 11, 2)
        invoice = (await firm.invoices())[-1]
        assert await firm.lines(invoice) == [("usage", "vib", "rows", 1_500, 1_000, "0.50")]
        async with story.database.transaction() as session:
            english = await build_invoice_document(session, firm.account.id, invoice.id, "en")
        assert english.lines[0].description == (
            "vib: inference rows, 1,000 of them from prepaid packs"
        )
        assert await story.differences() == ()

    async def test_packs_leave_the_plans_units_to_other_usage(self, story: Story) -> None:
        """310,000 output tokens are included; 1,000 more are from a pack; 500 are charged."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await firm.tops_up("5", "start")
        await offers(story, TOKENS)
        purchase = await buys(firm, "tokens")
        await firm.use("llm", output_tokens=310_500)
        await uses(firm, "llm", {"output_tokens": {purchase.id: 1_000}}, output_tokens=1_000)
        await story.until(2026, 11, 2)
        invoice = next(one for one in await firm.invoices() if one.period_id)
        usage = [line for line in await firm.lines(invoice) if line[0] == "usage"]
        assert [line[3:5] for line in usage] == [(311_500, 311_000)]

    async def test_thresholds_of_a_pack_are_monitored(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        await uses(firm, "vib", {"rows": {purchase.id: 800}}, rows=800)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            position = await load_usage_position(session, profile, story.clock.now())
            limits = await load_monitored_limits(session, position)
        (limit,) = [one for one in limits if one.kind == "pack"]
        assert limit.crossed_percentages([80, 100]) == [80]
        assert (
            limit.notice("zh", "CNY", 80).values["subject"] == "资源包 rows_1000 的推理行数（行）"
        )
