"""Margin by model, account, upstream or month: usage charges less what upstreams cost.

Charges are those of usage rows: after included units, before discounts, tiers and tax. The cost of
a call is unknown if no cost price was set for its upstream, model and currency; its charge then
counts in no margin. For operators: reads across accounts (account_id).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_MAX_ROWS = 1_000
_DIMENSION_SQL = {
    "model": "t.model",
    "account": "a.name",
    "upstream": "t.upstream",
    "month": "to_char(t.hour at time zone :zone, 'YYYY-MM')",
}
_MARGINS = """
    select {value}, t.currency, sum(t.calls), sum(t.uncosted_calls), sum(t.charged_nano),
           sum(t.uncosted_charged_nano), sum(t.cost_nano)
    from upstream_total t join account a on a.id = t.account_id
    where t.hour >= date_trunc('hour', cast(:since as timestamptz), 'UTC') and t.hour < :until
      and (cast(:model as text) is null or t.model = :model)
      and (cast(:account as uuid) is null or t.account_id = :account)
      and (cast(:upstream as text) is null or t.upstream = :upstream)
      and (cast(:zone as text) is not null)
    group by 1, 2 order by 2, {order} limit :limit
"""
_ORDER = {"month": "1"}
_LARGEST_FIRST = "sum(t.charged_nano) desc, 1"


class MarginDimension(StrEnum):
    """Dimension of a margin report."""

    MODEL = "model"
    ACCOUNT = "account"
    UPSTREAM = "upstream"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class MarginFilter:
    """Which usage a margin report counts; `until` is exclusive, None is no restriction."""

    since: datetime
    until: datetime
    model: str | None = None
    account_id: UUID | None = None
    upstream: str | None = None


@dataclass(frozen=True, slots=True)
class Margin:
    """Charges and costs of one model, account, upstream or month in a currency, in nano-units.

    `value` is empty for calls whose upstream was not recorded. `uncosted_calls` have an unknown
    cost, and `uncosted_charged_nano` are their charges.
    """

    value: str
    currency: str
    calls: int
    uncosted_calls: int
    charged_nano: int
    uncosted_charged_nano: int
    known_cost_nano: int

    @property
    def cost_nano(self) -> int | None:
        """Return the cost of the calls whose cost is known; None if it is known of none."""
        return None if self.uncosted_calls == self.calls else self.known_cost_nano

    @property
    def margin_nano(self) -> int | None:
        """Return charges less cost of the calls whose cost is known; None if it is of none."""
        if self.cost_nano is None:
            return None
        return self.charged_nano - self.uncosted_charged_nano - self.cost_nano

    @property
    def margin_ppm(self) -> int | None:
        """Return the margin in millionths of the charges; None without charges of known cost."""
        costed = self.charged_nano - self.uncosted_charged_nano
        if self.margin_nano is None or costed == 0:
            return None
        return self.margin_nano * 1_000_000 // costed


async def list_margins(
    session: AsyncSession, dimension: MarginDimension, filters: MarginFilter, zone: ZoneInfo
) -> list[Margin]:
    """Return margins by currency and the dimension: months in order, else largest charge first.

    Returns at most 1,000 rows. Months are those of `zone`.
    """
    query = _MARGINS.format(
        value=_DIMENSION_SQL[dimension], order=_ORDER.get(dimension, _LARGEST_FIRST)
    )
    values = {
        "since": filters.since,
        "until": filters.until,
        "model": filters.model,
        "account": filters.account_id,
        "upstream": filters.upstream,
        "zone": zone.key,
        "limit": _MAX_ROWS,
    }
    rows = await session.execute(text(query), values)
    return [
        Margin(value, currency, *(int(amount) for amount in sums))
        for value, currency, *sums in rows
    ]
