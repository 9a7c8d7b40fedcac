"""Time spans in which an outcome contract's price terms, not the plan's, apply to its calls."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# A version is in force from its start, once both parties agreed, to its end or the next start.
_COVERAGE_SPANS = """
    with agreed as (
        select v.plan_version_id, v.contract_id, c.tag, v.number, v.ends_at,
               cast(v.terms as jsonb) as terms,
               greatest(v.customer_agreed_at, v.operator_agreed_at) as agreed_at
        from outcome_version v
        join outcome_contract c on c.id = v.contract_id and c.account_id = v.account_id
        where v.account_id = :account
          and v.customer_agreed_at is not null and v.operator_agreed_at is not null
    ),
    begun as (
        select plan_version_id, contract_id, tag, number,
               greatest(cast(terms->>'starts_at' as timestamptz), agreed_at) as starts_at,
               least(cast(terms->>'ends_at' as timestamptz), ends_at) as ends_at
        from agreed
    ),
    span as (
        select tag, plan_version_id, starts_at,
               least(ends_at, min(starts_at) over (
                   partition by contract_id order by number
                   rows between 1 following and unbounded following
               )) as ends_at
        from begun
    )
    select tag, plan_version_id, starts_at, ends_at from span
    where (ends_at is null or ends_at > greatest(starts_at, cast(:since as timestamptz)))
      and (cast(:until as timestamptz) is null or starts_at < :until)
    order by starts_at, tag
"""


@dataclass(frozen=True, slots=True)
class CoverageSpan:
    """A time span in which calls with a contract's tag are priced by the contract's terms.

    `ends_at` is None while no end is known.
    """

    tag: str
    plan_version_id: UUID
    starts_at: datetime
    ends_at: datetime | None

    def contains(self, at: datetime) -> bool:
        """Return whether an instant lies in the span."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


async def list_coverage_spans(
    session: AsyncSession, account_id: UUID, since: datetime, until: datetime | None = None
) -> list[CoverageSpan]:
    """List the spans in which outcome contracts price the account's calls, earliest first."""
    values = {"account": account_id, "since": since, "until": until}
    rows = (await session.execute(text(_COVERAGE_SPANS), values)).all()
    return [CoverageSpan(*row) for row in rows]
