"""Suspension of an account's calls: when calls stop and when they are restored."""

from datetime import datetime

import pytest

from billing.accounts.profiles import get_profile
from billing.invoices.suspension import (
    is_worth_collecting,
    restore_calls,
    restore_calls_if_paid,
    suspend_calls,
)
from billing.tables import BillingProfile, Invoice
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story


class Seen:
    """A firm as a gateway sees it: its suspension and the access epoch."""

    def __init__(self, story: Story, firm: Firm) -> None:
        self.story = story
        self.account_id = firm.account.id

    async def suspended_at(self) -> datetime | None:
        async with self.story.database.transaction() as session:
            return (await get_profile(session, self.account_id)).suspended_at

    async def epoch(self) -> int:
        (row,) = await sql(self.story.database, "select count from access_epoch")
        return int(row.count)

    async def suspend(self) -> None:
        async with self.story.database.transaction() as session:
            await suspend_calls(session, self.story.clock, self.account_id)

    async def restore(self) -> None:
        async with self.story.database.transaction() as session:
            await restore_calls(session, self.account_id)

    async def restore_if_paid(self) -> None:
        async with self.story.database.transaction() as session:
            await restore_calls_if_paid(session, self.story.clock, self.account_id)


@pytest.fixture
async def firm(story: Story) -> Firm:
    """A firm that owes 30.00 since 1 November, due immediately."""
    firm = await story.firm(net_days=0)
    await firm.use("vib", rows=30_000)
    await story.until(2026, 11, 1, 1)
    return firm


@pytest.fixture
def seen(story: Story, firm: Firm) -> Seen:
    return Seen(story, firm)


async def test_suspend_and_restore_advance_access_epoch_once(story: Story, seen: Seen) -> None:
    epoch = await seen.epoch()
    began = story.clock.now()
    await seen.suspend()
    assert (await seen.suspended_at(), await seen.epoch()) == (began, epoch + 1)
    story.clock.pass_(days=1)
    await seen.suspend()
    assert (await seen.suspended_at(), await seen.epoch()) == (began, epoch + 1)
    await seen.restore()
    assert (await seen.suspended_at(), await seen.epoch()) == (None, epoch + 2)
    await seen.restore()
    assert await seen.epoch() == epoch + 2


async def test_calls_stay_suspended_while_an_invoice_is_overdue(
    story: Story, firm: Firm, seen: Seen
) -> None:
    await seen.suspend()
    story.clock.pass_(days=1)
    await seen.restore_if_paid()
    assert await seen.suspended_at() is not None
    await firm.pays_all()
    assert await seen.suspended_at() is None


@pytest.mark.parametrize("way", ["credited", "voided", "given up", "paid and credited"])
async def test_calls_are_restored_when_overdue_amount_is_settled(
    story: Story, firm: Firm, seen: Seen, way: str
) -> None:
    """The amount is settled in four ways; until the last step 0.01 is overdue."""
    (invoice,) = await firm.invoices()
    await seen.suspend()
    story.clock.pass_(days=1)
    epoch = await seen.epoch()
    match way:
        case "voided":
            await story.voids(invoice)
        case "given up":
            await story.gives_up(invoice)
        case "credited":
            await firm.is_credited(invoice, "29.99")
            assert await seen.suspended_at() is not None
            await firm.is_credited(invoice, "0.01", "dispute-2")
        case _:
            await firm.pays(invoice, "29.99")
            assert await seen.suspended_at() is not None
            await firm.is_credited(invoice, "0.01")
    assert (await seen.suspended_at(), await seen.epoch()) == (None, epoch + 1)


@pytest.mark.parametrize("way", ["credited", "voided", "given up"])
async def test_calls_stay_suspended_while_another_invoice_is_overdue(
    story: Story, firm: Firm, seen: Seen, way: str
) -> None:
    await firm.use("vib", rows=20_000)
    await story.until(2026, 12, 1, 1)
    story.clock.pass_(days=1)
    await seen.suspend()
    october, november = await firm.invoices()
    if way == "credited":
        await firm.is_credited(october, "30.00")
    else:
        await (story.voids(october) if way == "voided" else story.gives_up(october))
    assert await seen.suspended_at() is not None
    await firm.pays(november, "20.00")
    assert await seen.suspended_at() is None


async def test_calls_are_restored_while_an_invoice_is_not_yet_due(
    story: Story, firm: Firm, seen: Seen
) -> None:
    """November's 20.00 are due on 31 December."""
    await firm.billed(net_days=30)
    await firm.use("vib", rows=20_000)
    await story.until(2026, 12, 1, 1)
    await seen.suspend()
    october = (await firm.invoices())[0]
    story.clock.pass_(days=1)
    await firm.pays(october, "30.00")
    assert await seen.suspended_at() is None
    await firm.pays_all()


async def test_calls_are_restored_when_overdue_amount_is_below_stripe_minimum(
    story: Story, firm: Firm, seen: Seen
) -> None:
    """October's 30.00 are paid. 0.02 of November and then 4.00 of December are overdue; Stripe's
    minimum charge is 4.00."""
    await firm.pays_all()
    await firm.use("vib", rows=20)
    await story.until(2026, 12, 1, 1)
    await firm.billed(collection="stripe_charge")
    story.clock.pass_(days=1)
    await seen.suspend()
    await seen.restore_if_paid()
    assert await seen.suspended_at() is None
    await firm.use("vib", rows=4_000)
    await story.until(2027, 1, 1, 1)
    story.clock.pass_(days=1)
    await seen.suspend()
    await seen.restore_if_paid()
    assert await seen.suspended_at() is not None


async def test_suspension_does_not_affect_another_account(story: Story, seen: Seen) -> None:
    other = Seen(story, await story.firm("Other"))
    await other.suspend()
    assert await seen.suspended_at() is None
    story.clock.pass_(days=1)
    await other.restore_if_paid()
    assert await other.suspended_at() is None


@pytest.mark.parametrize(
    ("collection", "currency", "minor", "worth"),
    [
        ("manual", "CNY", 1, True),
        ("stripe_charge", "CNY", 399, False),
        ("stripe_charge", "CNY", 400, True),
        ("stripe_invoice", "USD", 49, False),
        ("stripe_invoice", "USD", 50, True),
    ],
)
def test_amount_is_worth_collecting_from_collector_minimum(
    collection: str, currency: str, minor: int, worth: bool
) -> None:
    profile, invoice = BillingProfile(collection=collection), Invoice(currency=currency)
    assert is_worth_collecting(profile, invoice, minor) is worth
