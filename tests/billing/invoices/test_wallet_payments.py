"""Payments of an invoice in parts, by transfer and from the wallet, hand-computed.

30,000 rows cost 30.00, with 6 % tax 31.80, due on 1 November. 11.80 are paid by transfer, 5.00 from
the wallet: 15.00 stay due, of which 14.16 are usage before tax (15.00 / 1.06, rounded up).
"""

import pytest

from billing.accounts.profiles import get_profile
from billing.cycle import dun_accounts
from billing.invoices.lifecycle import InvalidInvoiceState, InvoiceNotFound
from billing.invoices.payments import PaymentConflict, PaymentInvalid
from billing.invoices.wallet_payments import WalletInsufficient, pay_invoice_from_wallet
from billing.ledger.ledger import Book
from billing.tables import Invoice
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def owing(story: Story) -> Firm:
    """A firm that owes 31.80 since 1 November, 1:00, due immediately."""
    firm = await story.firm(net_days=0, locale="en", tax_ppm=60_000)
    await firm.billed(email="pay@acme.example")
    await firm.use("vib", rows=30_000)
    await story.until(2026, 11, 1, 1)
    return firm


async def only(firm: Firm) -> Invoice:
    (invoice,) = await firm.invoices()
    return invoice


async def from_wallet(firm: Firm, amount: str | None, key: str = "wallet-1") -> Invoice:
    minor = None if amount is None else firm.minor(amount)
    invoice, story = await only(firm), firm.story
    async with story.database.transaction() as session:
        place = (session, story.clock, firm.account.id, invoice.id)
        return await pay_invoice_from_wallet(*place, key, minor)


async def test_parts_reduce_what_is_due_until_the_last_settles(owing: Firm) -> None:
    story = owing.story
    await owing.pays(await only(owing), "11.80")
    assert (await only(owing)).status == "open"
    await owing.tops_up("6", "top-up")
    for _ in range(2):  # the same reference again pays nothing
        assert (await from_wallet(owing, "5.00")).status == "open"
    assert await owing.owes(await only(owing)) == "15.00"
    assert await owing.wallet() == "1.00"
    # 1,000.00 limit + 1.00 / 1.06 wallet (0.943396226) - 14.16 usage still due
    assert await owing.credit() == "986.783396226"
    assert await story.differences() == ()
    with pytest.raises(PaymentConflict, match="wallet-1"):
        await from_wallet(owing, "4.00")
    with pytest.raises(WalletInsufficient, match=r"1\.00 CNY"):
        await from_wallet(owing, None, "wallet-2")
    for wrong in ("0", "15.01"):
        with pytest.raises(PaymentInvalid, match=r"at most 15\.00 CNY"):
            await from_wallet(owing, wrong, "wallet-2")
    with pytest.raises(PaymentInvalid, match="reference"):
        await from_wallet(owing, "1.00", "")
    await owing.tops_up("14", "more")
    assert (await from_wallet(owing, None, "wallet-2")).status == "paid"
    assert await owing.balance(Book.RECEIVABLE) == 0
    assert await owing.wallet() == "0.00"
    with pytest.raises(InvalidInvoiceState, match="paid"):
        await from_wallet(owing, "1.00", "wallet-3")
    assert await story.differences() == ()


async def test_dunning_goes_on_with_the_rest_and_ends_with_the_second_payment(
    owing: Firm,
) -> None:
    story = owing.story
    await owing.pays(await only(owing), "11.80")
    story.clock.pass_(days=1)
    await dun_accounts(story.database, story.clock)
    await owing.tops_up("5", "top-up")
    await from_wallet(owing, "5.00")
    story.clock.pass_(days=4)
    await dun_accounts(story.database, story.clock)
    query = "select payload->>'text' from outbox where action = 'email' order by id"
    first, second = [text for (text,) in await sql(story.database, query)]
    assert "Invoice MAAS-000001 for 20.00 CNY" in first
    assert "Invoice MAAS-000001 for 15.00 CNY" in second
    story.clock.pass_(days=10)
    await dun_accounts(story.database, story.clock)
    async with story.database.transaction() as session:
        assert (await get_profile(session, owing.account.id)).suspended_at is not None
    paid = await owing.pays(await only(owing), "15.00", "bank-2")
    assert (paid.status, paid.reminders) == ("paid", 4)
    async with story.database.transaction() as session:
        assert (await get_profile(session, owing.account.id)).suspended_at is None
    story.clock.pass_(days=30)
    before = await sql(story.database, "select count(*) from outbox where action = 'email'")
    await dun_accounts(story.database, story.clock)
    assert await sql(story.database, "select count(*) from outbox where action = 'email'") == before
    assert await story.differences() == ()


async def test_invoice_of_another_account_is_not_found(owing: Firm) -> None:
    story, invoice = owing.story, await only(owing)
    other = await story.firm("Other")
    await other.tops_up("50", "top-up")
    for account_id, invoice_id in (
        (other.account.id, invoice.id),
        (owing.account.id, ids.new_id()),
    ):
        async with story.database.transaction() as session:
            with pytest.raises(InvoiceNotFound):
                await pay_invoice_from_wallet(session, story.clock, account_id, invoice_id, "k")
