"""Vouchers: codes, batches, redemption exactly once, eligibility and the limit on guesses."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.ledger.ledger import Book
from billing.ledger.wallets import list_grant_balances
from billing.prepaid.pack_offers import PackNotFound
from billing.prepaid.pack_refunds import PackNotRefundable
from billing.prepaid.redemption import (
    MAX_FAILURES,
    Redemption,
    TooManyVoucherAttempts,
    VoucherInvalid,
    VoucherNotRedeemable,
    count_voucher_attempt,
    list_redemptions,
    redeem_voucher,
)
from billing.prepaid.views import redemption_json, voucher_report_json
from billing.prepaid.voucher_codes import new_voucher_code, normalize_voucher_code
from billing.prepaid.vouchers import (
    NewBatch,
    VoucherBatchInvalid,
    VoucherBatchNotFound,
    cancel_voucher_batch,
    create_voucher_batch,
    report_vouchers,
)
from billing.tables import VoucherBatch
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.pack_story import ROWS_1000, offers, pack_jobs, refunds, usable
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story


def batch(story: Story, **values: object) -> NewBatch:
    """A batch of one code worth 20.00 of credit that is valid for 30 days."""
    until = story.clock.now() + timedelta(days=10)
    new = NewBatch("Fair 2026", "CNY", 1, until, minor=2_000, credit_days=30)
    return replace(new, **values)  # type: ignore[arg-type]


async def creates(story: Story, **values: object) -> tuple[VoucherBatch, list[str]]:
    async with story.database.transaction() as session:
        return await create_voucher_batch(session, story.clock, batch(story, **values))


async def redeems(firm: Firm, code: str) -> Redemption:
    """Redeem a code as the operation does: the attempt is counted first."""
    story, account_id = firm.story, firm.account.id
    attempt = await count_voucher_attempt(story.database, story.clock, account_id)
    async with story.database.transaction() as session:
        return await redeem_voucher(session, story.clock, account_id, code, attempt)


class TestCodes:
    def test_typed_code_is_normalized(self) -> None:
        code = new_voucher_code()
        assert len(code) == 19
        assert code[4] == "-"
        assert normalize_voucher_code(f" {code.lower().replace('-', ' ')} ") == code.replace(
            "-", ""
        )

    def test_every_wrong_or_swapped_character_is_found(self) -> None:
        code = new_voucher_code().replace("-", "")
        for at, one in enumerate(code):
            other = "A" if one != "A" else "B"
            assert normalize_voucher_code(code[:at] + other + code[at + 1 :]) is None
        for at in range(len(code) - 2):
            swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
            assert swapped == code or normalize_voucher_code(swapped) is None

    @pytest.mark.parametrize("text", ["", "ABCD", "0" * 16, "A" * 17, "中" * 16])
    def test_other_texts_are_no_codes(self, text: str) -> None:
        assert normalize_voucher_code(text) is None


class TestBatches:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"currency": "yuan"}, "currency"),
            ({"name": " "}, "name: must have"),
            ({"pack": "rows_1000"}, "amount: give an amount or a pack"),
            ({"minor": 0}, "amount: must be more than zero"),
            ({"codes": 10_001}, "codes: must be from 1 to 10000"),
            ({"max_uses": 0}, "max_uses"),
            ({"per_account": 0}, "per_account"),
            ({"credit_days": 0}, "credit_days"),
        ],
    )
    async def test_invalid_field_is_named(
        self, story: Story, values: dict[str, object], message: str
    ) -> None:
        with pytest.raises(VoucherBatchInvalid, match=message):
            await creates(story, **values)

    async def test_unknown_pack_past_expiry_and_unknown_batch_are_refused(
        self, story: Story
    ) -> None:
        with pytest.raises(PackNotFound):
            await creates(story, minor=None, pack="unknown")
        with pytest.raises(VoucherBatchInvalid, match="expires_at"):
            await creates(story, expires_at=story.clock.now())
        async with story.database.transaction() as session:
            with pytest.raises(VoucherBatchNotFound):
                await cancel_voucher_batch(session, story.clock, ids.new_id())

    async def test_codes_are_stored_as_hashes_only(self, story: Story) -> None:
        _, codes = await creates(story, codes=3)
        assert len(set(codes)) == 3
        stored = await sql(story.database, "select encode(code_hash, 'hex') from voucher")
        assert all(len(one[0]) == 64 for one in stored)

    async def test_report_counts_redeemed_and_outstanding(self, story: Story) -> None:
        firm = await story.firm()
        made, codes = await creates(story, codes=3, max_uses=2)
        await redeems(firm, codes[0])
        async with story.database.transaction() as session:
            (report,) = await report_vouchers(session, story.clock.now())
            assert (report.codes, report.redeemed, report.outstanding) == (3, 1, 5)
            assert (report.redeemed_minor, report.outstanding_minor) == (2_000, 10_000)
            await cancel_voucher_batch(session, story.clock, made.id)
            (report,) = await report_vouchers(session, story.clock.now())
        assert voucher_report_json(report)["outstanding_amount"] == "0.00"
        with pytest.raises(VoucherNotRedeemable, match="canceled"):
            await redeems(firm, codes[1])


class TestRedemption:
    async def test_credit_is_promotional_and_expires(self, story: Story) -> None:
        firm = await story.firm(credit="0")
        _, (code,) = await creates(story)
        redemption = await redeems(firm, code.lower())
        shown = redemption_json(redemption)
        assert (shown["amount"], shown["currency"], shown["pack"]) == ("20.00", "CNY", None)
        assert (await firm.wallet(), await firm.credit()) == ("20.00", "20")
        assert await firm.balance(Book.PROMOTION) == 2_000
        async with story.database.transaction() as session:
            (grant,) = await list_grant_balances(session, firm.account.id)
            rows = await list_redemptions(session, firm.account.id)
        assert grant.grant.id == rows[0].grant_id == (redemption.grant and redemption.grant.id)
        assert grant.grant.expires_at == story.clock.now() + timedelta(days=30)
        assert await story.differences() == ()
        story.clock.pass_(days=31)
        await story.jobs()
        assert await firm.wallet() == "0.00"

    async def test_voucher_of_a_pack_makes_it_usable(self, story: Story) -> None:
        firm = await story.firm()
        await offers(story, ROWS_1000)
        _, (code,) = await creates(story, minor=None, pack="rows_1000")
        redemption = await redeems(firm, code)
        assert redemption.purchase is not None
        assert redemption_json(redemption)["pack"] == "rows_1000"
        assert [ref.amount for ref in await usable(firm)] == [1_000]
        assert await firm.invoices() == []
        with pytest.raises(PackNotRefundable, match="not refunded"):
            await refunds(firm, redemption.purchase)
        await pack_jobs(story)
        assert await story.differences() == ()

    async def test_code_with_two_uses_is_redeemed_twice_by_eight_accounts_at_once(
        self, story: Story
    ) -> None:
        firms = [await story.firm(f"Firm {at}", credit="0") for at in range(8)]
        _, (code,) = await creates(story, max_uses=2)
        results = await asyncio.gather(
            *(redeems(firm, code) for firm in firms), return_exceptions=True
        )
        assert sum(isinstance(one, Redemption) for one in results) == 2
        assert sum(isinstance(one, VoucherNotRedeemable) for one in results) == 6
        assert sorted([await firm.wallet() for firm in firms])[-3:] == ["0.00", "20.00", "20.00"]
        assert await story.differences() == ()

    async def test_one_account_redeems_a_code_once_also_at_the_same_time(
        self, story: Story
    ) -> None:
        firm = await story.firm(credit="0")
        _, codes = await creates(story, codes=2, max_uses=5)
        results = await asyncio.gather(
            *(redeems(firm, codes[0]) for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(one, Redemption) for one in results) == 1
        with pytest.raises(VoucherNotRedeemable, match="An account can redeem 1"):
            await redeems(firm, codes[1])
        assert await firm.wallet() == "20.00"

    async def test_voucher_that_is_not_for_the_account_is_refused(self, story: Story) -> None:
        firm = await story.firm()
        dollars = await story.firm("Dollar", currency="USD")
        _, (free,) = await creates(story, new_customers_only=True)
        await redeems(firm, free)
        _, (code,) = await creates(story, plans=("growth",), new_customers_only=True)
        with pytest.raises(VoucherNotRedeemable, match="accounts in CNY"):
            await redeems(dollars, code)
        with pytest.raises(VoucherNotRedeemable, match="account's plan"):
            await redeems(firm, code)
        await firm.subscribe(await story.plan(GROWTH))
        with pytest.raises(VoucherNotRedeemable, match="new customers"):
            await redeems(firm, code)  # the plan's fee was invoiced
        story.clock.pass_(days=10)
        with pytest.raises(VoucherNotRedeemable, match="expired"):
            await redeems(firm, code)

    async def test_guesses_are_limited_also_at_the_same_time(self, story: Story) -> None:
        firm, other = await story.firm(), await story.firm("Other")
        _, (code,) = await creates(story)
        results = await asyncio.gather(
            *(redeems(firm, new_voucher_code()) for _ in range(MAX_FAILURES + 3)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, VoucherInvalid) for one in results) == MAX_FAILURES
        with pytest.raises(TooManyVoucherAttempts):
            await redeems(firm, code)
        with pytest.raises(VoucherInvalid, match="not a valid voucher code"):
            await redeems(other, "no code")
        story.clock.pass_(hours=1)
        await redeems(firm, code)
        left = "select count(*) from voucher_failure where account_id = :of"
        assert (await sql(story.database, left, of=firm.account.id))[0][0] == 0
