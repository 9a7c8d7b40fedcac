"""Checks of invoices and ledger: each planted fault is reported, a consistent month is not.

Faults are planted with triggers disabled, as an administrator's mistake could be. The month:
500,000 output tokens at 0.000002 are 1.00; with 6 % tax 1.06, of which the wallet pays 0.30 and a
bank transfer 0.50.
"""

import pytest
from sqlalchemy import text

from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.invoices.payments import IncomingPayment, record_payment
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.rating.quantities import METERS
from billing.reconciliation.invoices_and_ledger import CHECKS, RERATING_CHECK
from infra import ids
from tests.support.stories.story import Firm, Story

_TOTALS = "Period totals equal the usage rows"
# By the check that finds it: what is planted.
FAULTS = {
    _TOTALS: "delete from usage where request_id = (select min(request_id::text)::uuid from usage)",
    "Usage rows refer to stored terms": "delete from plan_version where plan = 'list'",
    "Ledger transactions sum to zero": """
        insert into ledger_posting (transaction_id, position, account_id, book, minor, invoice_id)
        select transaction_id, 99, account_id, book, minor, invoice_id
        from ledger_posting where book = 'revenue_usage' limit 1
    """,
    "Booked amounts equal the final invoice": """
        update invoice set total = total + 1, tax = tax + 1
    """,
    "Invoices are open while an amount is due": "update invoice set status = 'paid'",
    "Invoice cash equals payments less refunds": """
        delete from payment
    """,
    "No wallet grant is negative": """
        update ledger_posting set minor = minor * 4 where book = 'wallet' and minor > 0
    """,
    "Each wallet grant is booked once": """
        insert into ledger_posting (transaction_id, position, account_id, book, minor, grant_id)
        select transaction_id, 99, account_id, book, minor, grant_id
        from ledger_posting where book = 'wallet' and minor < 0 limit 1
    """,
    "Invoice numbers have no gaps": "update number_series set last = 7 where document = 'invoice'",
    "Credit note numbers have no gaps": """
        update number_series set last = 7 where document = 'credit_note'
    """,
    "Fapiao do not exceed what was paid and not returned": """
        insert into fapiao (id, account_id, invoice_id, legal_entity_id, serial, colour, status,
            kind, title, tax_treatment, tax_ppm, net, tax, total, lines, reason, requested_at,
            requested_by, batch_id, number, issued_on)
        select gen_random_uuid(), account_id, id, legal_entity_id, 'F1', 'blue', 'issued',
            'ordinary', '{}', tax_treatment, tax_ppm, 80, 1, 81, '[]', '', created_at, 'x',
            gen_random_uuid(), '1', created_at::date from invoice
    """,
    "Each charge is invoiced once with its amount": "update invoice_line set kind = 'outcome'",
    "No deposit is negative": """
        insert into ledger_posting (transaction_id, position, account_id, book, minor)
        select transaction_id, 98, account_id, 'deposit', 5 from ledger_posting limit 1
    """,
    "Each deposit movement is booked once": """
        insert into deposit_movement (id, account_id, kind, minor, reference, created_at)
        select gen_random_uuid(), account_id, 'received', 5, 'dep-1', created_at from invoice
    """,
    "Instalments add up to their invoice": """
        insert into invoice_part (invoice_id, number, account_id, due_at, minor)
        select id, 1, account_id, due_at, 105 from invoice
    """,
    "Each late fee is invoiced once": """
        insert into late_fee (id, account_id, overdue_invoice_id, plan_version_id, minor, since,
            until, invoice_id)
        select gen_random_uuid(), account_id, id, gen_random_uuid(), 5, created_at, created_at, id
        from invoice
    """,
    RERATING_CHECK: "update invoice_line set minor = minor + 1",
}


async def _month(story: Story) -> Firm:
    firm = await story.firm(tax_ppm=60_000)
    clock, account = story.clock, firm.account.id
    async with story.database.transaction() as session:
        await top_up_wallet(session, clock, account, "top-up-1", TopUpRequest(30))
    story.clock.set(2026, 10, 12)
    for _ in range(2):
        await firm.use("llm", output_tokens=250_000)
    await story.until(2026, 11, 1, 1)
    (invoice,) = await firm.invoices()
    assert (invoice.net, invoice.tax, invoice.total) == (100, 6, 106)
    async with story.database.transaction() as session:
        receipt = IncomingPayment("manual", "bank-1", 50, clock.now())
        await record_payment(session, clock, account, invoice.id, receipt)
        await create_credit_note(
            session, clock, account, invoice.id, "cn", CreditNoteRequest(10, "goodwill")
        )
    return firm


async def _plant(story: Story, statement: str) -> None:
    async with story.database.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text(statement))


async def test_month_without_fault_has_no_difference(story: Story) -> None:
    await _month(story)
    assert await story.differences() == ()


def test_every_invoice_and_ledger_check_has_a_planted_fault() -> None:
    assert set(FAULTS) == {*CHECKS, RERATING_CHECK}


@pytest.mark.parametrize("check", FAULTS)
async def test_planted_invoice_or_ledger_fault_is_reported(story: Story, check: str) -> None:
    await _month(story)
    await _plant(story, FAULTS[check])
    found = {difference.check for difference in await story.differences()}
    assert check in found, found


async def test_usage_row_changed_after_aggregation_is_reported(story: Story) -> None:
    """The row became cheaper, so totals and invoice exceed the usage rows."""
    await _month(story)
    await _plant(story, "update usage set output_tokens = 1")
    assert _TOTALS in {difference.check for difference in await story.differences()}


@pytest.mark.parametrize("meter", [one for one in METERS if one != "cached_input_tokens"])
async def test_changed_total_of_any_meter_is_reported(story: Story, meter: str) -> None:
    """Cached input tokens are excluded: more of them than input tokens would be invalid."""
    await _month(story)
    await _plant(story, f"update usage_total set {meter} = {meter} + 1")
    assert _TOTALS in {difference.check for difference in await story.differences()}


async def test_missing_terms_are_reported_only_by_the_terms_check(
    story: Story,
) -> None:
    """An invoice without terms cannot be rated again, which is not a second difference."""
    await _month(story)
    await _plant(story, FAULTS["Usage rows refer to stored terms"])
    found = {difference.check for difference in await story.differences()}
    assert found == {"Usage rows refer to stored terms"}


async def test_rerating_difference_contains_recorded_and_expected_amounts(story: Story) -> None:
    """A line of 1.00 is changed to 1.01: with 6 % tax 1.07 instead of 1.06, and usage of 1.01."""
    firm = await _month(story)
    (invoice,) = await firm.invoices()
    await _plant(story, FAULTS[RERATING_CHECK])
    found = [one for one in await story.differences() if one.check == RERATING_CHECK]
    assert [(one.subject, one.recorded, one.expected) for one in found] == [
        (ids.format_id("inv", invoice.id), 106, 107),
        (ids.format_id("inv", invoice.id), 101, 100),
    ]
