"""Planted differences of packs and vouchers are found; without them there are none."""

from datetime import timedelta

import pytest

from billing.prepaid.redemption import count_voucher_attempt, redeem_voucher
from billing.prepaid.vouchers import NewBatch, create_voucher_batch
from billing.reconciliation.prepaid import CHECKS
from tests.support.billing.making import sql
from tests.support.stories.pack_story import buys, funded, offers, pack_jobs, uses
from tests.support.stories.story import Story

USED, CALLS, TOTALS, DEFERRED, VOUCHERS, _ = CHECKS
# A statement that plants a difference, and the check that must find it.
PLANTED = {
    "the quota forgot a unit": (
        "update quota set used = used - 1 where id in (select id from pack_purchase)",
        USED,
    ),
    "the quota has more units than were bought": (
        "update quota set amount = amount + 1 where id in (select id from pack_purchase)",
        USED,
    ),
    "a call is later than the expiry": (
        "update pack_purchase set starts_at = starts_at - interval '1 year', "
        "expires_at = starts_at - interval '1 day'",
        CALLS,
    ),
    "the pack is of another model": ("update pack_purchase set model = 'eye'", CALLS),
    "the pack is of another meter": ("update pack_purchase set meter = 'tokens'", CALLS),
    "the totals forgot a unit": ("update usage_pack_total set units = units - 1", TOTALS),
    "the totals forgot a pack": ("delete from usage_pack_total", TOTALS),
    "recognized revenue has no row": ("delete from pack_recognition", DEFERRED),
    "a pack has ended and revenue is deferred": (
        "update pack_purchase set state = 'expired'",
        DEFERRED,
    ),
    "a voucher forgot its use": ("update voucher set uses = 0", VOUCHERS),
    "a grant has another amount": ("update voucher_batch set minor = minor + 1", VOUCHERS),
}


async def prepared(story: Story) -> None:
    """A pack of which 250 units were used and recognized, and a redeemed voucher."""
    firm = await funded(story)
    await offers(story)
    purchase = await buys(firm)
    await uses(firm, "vib", {"rows": {purchase.id: 250}}, rows=250)
    await pack_jobs(story)
    attempt = await count_voucher_attempt(story.database, story.clock, firm.account.id)
    async with story.database.transaction() as session:
        until = story.clock.now() + timedelta(days=1)
        new = NewBatch("Fair", "CNY", 1, until, minor=2_000)
        _, (code,) = await create_voucher_batch(session, story.clock, new)
        await redeem_voucher(session, story.clock, firm.account.id, code, attempt)


@pytest.mark.parametrize("name", PLANTED)
async def test_planted_difference_is_found(story: Story, name: str) -> None:
    await prepared(story)
    if name == "the quota forgot a unit":
        assert await story.differences() == ()
    statement, check = PLANTED[name]
    await sql(story.database, statement)
    assert check in {one.check for one in await story.differences()}
