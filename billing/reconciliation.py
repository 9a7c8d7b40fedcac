"""Reconciliation: whether usage, quotas, leases, open calls and credit tell the same story.

Each check is one query that gives what does not agree, and agrees when it gives nothing; all run
in one snapshot, so calls that run meanwhile do no harm. Owns the checks. Does not mend anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Difference:
    """Two records of the same thing that do not agree."""

    check: str
    subject: str
    recorded: int
    expected: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was compared, in figures, and every difference."""

    usage_rows: int
    unknown_rows: int
    open_calls: int
    processes: int
    held: int
    differences: tuple[Difference, ...]


# Each gives (subject, recorded, expected).
_CHECKS = {
    "what a quota has lent is what processes have borrowed": """
        select q.id::text, q.leased, coalesce(sum(l.borrowed - l.folded), 0)
        from quota q left join quota_lease l on l.quota_id = q.id
        group by q.id having q.leased <> coalesce(sum(l.borrowed - l.folded), 0)
    """,
    "what an account's credit counts as spent is what its calls cost": """
        with spent as (
            select q.account_id, q.used + coalesce(
                (select sum(l.used - l.folded) from quota_lease l where l.quota_id = q.id), 0
            ) as amount from quota q where q.kind = 'credit'
        ), cost as (
            select account_id, sum(cost_nano) as amount from usage
            where account_id is not null group by account_id
        )
        select a.id::text, coalesce(s.amount, 0), coalesce(c.amount, 0)
        from account a left join spent s on s.account_id = a.id
        left join cost c on c.account_id = a.id
        where coalesce(s.amount, 0) <> coalesce(c.amount, 0)
    """,
    "what a key's month counts as spent is what its calls cost": """
        select q.id::text, q.used + coalesce(sum(l.used - l.folded), 0), coalesce(c.amount, 0)
        from quota q left join quota_lease l on l.quota_id = q.id
        left join lateral (
            select sum(u.cost_nano) as amount from usage u
            where u.account_id = q.account_id and u.key_id = q.key_id
              and u.started_at >= q.period_start
              and u.started_at < q.period_start + interval '1 month'
        ) c on true
        where q.kind = 'budget' group by q.id, c.amount
        having q.used + coalesce(sum(l.used - l.folded), 0) <> coalesce(c.amount, 0)
    """,
    "an account's credit is the sum of its credit entries": """
        select q.id::text, q.amount, coalesce(sum(e.amount_nano), 0)
        from quota q left join credit_entry e on e.account_id = q.account_id
        where q.kind = 'credit' and q.amount is not null
        group by q.id having q.amount <> coalesce(sum(e.amount_nano), 0)
    """,
    "a call that is settled is not open": """
        select i.request_id::text, 1, 0 from intent i join usage u using (request_id)
    """,
    "an open call belongs to a process that runs": """
        select i.request_id::text, 1, 0 from intent i
        left join gateway_process p on p.id = i.process_id
        where p.id is null or p.ended_at is not null or p.expires_at < now() - interval '1 minute'
    """,
    "a process that has ended holds nothing": """
        select l.process_id::text || ' ' || q.kind, l.borrowed - l.used, 0
        from quota_lease l join quota q on q.id = l.quota_id
        join gateway_process p on p.id = l.process_id
        where p.ended_at < now() - interval '3 minutes'
    """,
}
_FIGURES = """
    select (select count(*) from usage),
           (select count(*) from usage where settlement = 'unknown'),
           (select count(*) from intent),
           (select count(*) from gateway_process where ended_at is null),
           (select coalesce(sum(l.borrowed - l.used), 0) from quota_lease l
            join quota q on q.id = l.quota_id where q.kind = 'credit')
"""


async def reconcile(session: AsyncSession) -> Reconciled:
    """Compare everything. For operators: it looks across accounts (account_id)."""
    await session.execute(text("set transaction isolation level repeatable read, read only"))
    figures = (await session.execute(text(_FIGURES))).one()
    differences: list[Difference] = []
    for check, query in _CHECKS.items():
        for subject, recorded, expected in (await session.execute(text(query))).all():
            differences.append(Difference(check, subject, int(recorded), int(expected)))
    usage_rows, unknown_rows, open_calls, processes, held = (int(figure) for figure in figures)
    return Reconciled(usage_rows, unknown_rows, open_calls, processes, held, tuple(differences))


@dataclass(frozen=True, slots=True)
class EngineCount:
    """What an engine says that it generated, beside what the usage rows of its model say."""

    model: str
    engine_tokens: int
    usage_tokens: int
    unknown_calls: int


def compare_engine(count: EngineCount) -> Sequence[Difference]:
    """An engine may have generated more only for calls whose tokens are not known."""
    agrees = count.engine_tokens == count.usage_tokens
    explained = count.engine_tokens > count.usage_tokens and count.unknown_calls > 0
    if agrees or explained:
        return ()
    check = "what an engine generated is what the usage rows say"
    return (Difference(check, count.model, count.usage_tokens, count.engine_tokens),)
