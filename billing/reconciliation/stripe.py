"""Stripe checks: whether Stripe's invoices say what ours do.

An invoice that Stripe collects must have our total there, less what our wallet paid, and must be
settled there where it is settled here. What is still on its way, in the outbox or the inbox, is not
held against either. For operators: it looks across accounts (account_id).
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.stripe.client import Payments
from billing.outbox import Refused
from billing.reconciliation.usage_and_quotas import Difference
from infra.database.database import Database, take_time

_TOTAL = "Stripe asks for what our invoice says"
_STATUS = "an invoice is settled at Stripe as it is here"
_THERE = "an invoice that Stripe collects is there"
# Its total less the wallet's part, whether it is settled, and whether anything is on its way.
_OURS = """
    select i.id::text, i.stripe_invoice, i.status in ('paid', 'void', 'uncollectible'),
        i.total - coalesce((
            select sum(p.minor) from ledger_posting p
            join ledger_transaction t on t.id = p.transaction_id
            where t.business_key = 'invoice:' || i.id || '\\:wallet' and p.book = 'wallet'
        ), 0)
    from invoice i
    where i.stripe_invoice is not null
      and not exists (
          select from outbox o where o.subject = 'invoice:' || i.id
            and o.done_at is null and o.given_up_at is null
      )
      and not exists (
          select from inbox e where e.handled_at is null
            and e.payload->'data'->'object'->>'id' = i.stripe_invoice
      )
    order by i.id
"""
_SETTLED = ("paid", "void", "uncollectible")


@dataclass(frozen=True, slots=True)
class StripeCompared:
    """How many invoices were compared with Stripe's, and what does not agree."""

    invoices: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _Ours:
    subject: str
    stripe_id: str
    settled: bool
    due: int


async def compare_with_stripe(database: Database, payments: Payments) -> StripeCompared:
    """Ask Stripe for each invoice that it collects. Raises TryLater where it does not answer."""
    async with database.transaction() as session:
        ours = await _collected(session)
    found = [difference for one in ours for difference in await _compare(one, payments)]
    return StripeCompared(len(ours), tuple(found))


async def _collected(session: AsyncSession) -> list[_Ours]:
    await take_time(session)
    rows = (await session.execute(text(_OURS))).all()
    return [_Ours(subject, there, settled, int(due)) for subject, there, settled, due in rows]


async def _compare(ours: _Ours, payments: Payments) -> list[Difference]:
    try:
        theirs = await payments.read_invoice(ours.stripe_id)
    except Refused:
        return [Difference(_THERE, ours.subject, 0, 1)]
    found: list[Difference] = []
    if theirs.total != ours.due:
        found.append(Difference(_TOTAL, ours.subject, theirs.total, ours.due))
    settled = theirs.status in _SETTLED
    if settled != ours.settled:
        found.append(Difference(_STATUS, ours.subject, int(settled), int(ours.settled)))
    return found
