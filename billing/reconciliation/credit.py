"""Checks of credit: decisions, deposits, instalments and late fees.

Each returns (subject, recorded, expected) for each difference. For operators: reads across accounts
(account_id).
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from billing.credit.replay import replay_decisions
from billing.credit.views import DECISION_ID_PREFIX
from infra import ids

DECISION_CHECK = "Credit decisions follow from their inputs"
CREDIT_CHECKS: Mapping[str, str] = {
    "No deposit is negative": """
        select account_id::text, -sum(minor), 0 from ledger_posting
        where book = 'deposit' group by account_id having sum(minor) > 0
    """,
    "Each deposit movement is booked once": """
        select m.id::text, coalesce(abs(sum(p.minor)), 0), m.minor
        from deposit_movement m
        left join ledger_transaction t
          on t.business_key = 'deposit:' || m.id and t.account_id = m.account_id
        left join ledger_posting p on p.transaction_id = t.id and p.book = 'deposit'
        group by m.id having coalesce(sum(p.minor), 0)
            <> case when m.kind = 'received' then -m.minor else m.minor end
    """,
    "Instalments add up to their invoice": """
        select i.id::text, sum(p.minor), i.total
        from invoice_part p join invoice i on i.id = p.invoice_id
        group by i.id having sum(p.minor) <> i.total
    """,
    "Each late fee is invoiced once": """
        select i.id::text, coalesce(l.minor, 0), coalesce(f.minor, 0)
        from invoice i
        left join (
            select invoice_id, sum(minor) as minor from invoice_line
            where kind = 'late_fee' group by invoice_id
        ) l on l.invoice_id = i.id
        left join (
            select invoice_id, sum(minor) as minor from late_fee group by invoice_id
        ) f on f.invoice_id = i.id
        where i.status <> 'draft' and coalesce(l.minor, 0) <> coalesce(f.minor, 0)
    """,
}


async def redecide(session: AsyncSession) -> list[tuple[str, str, int, int]]:
    """Decide every stored credit decision again; return (check, decision, stored, expected)."""
    return [
        (
            DECISION_CHECK,
            ids.format_id(DECISION_ID_PREFIX, one.decision_id),
            one.stored,
            one.expected,
        )
        for one in (await replay_decisions(session)).differences
    ]
