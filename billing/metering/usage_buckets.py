"""Usage by hour or day: what an account consumed, added up from the totals.

Reads only the totals, through their index by account and hour, so ten million calls cost no more
than their hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from billing.tables import UsageCursor

_BUCKETS = """
    select date_trunc(:width, hour, 'UTC'),
           case when cast(:by_model as boolean) then split_part(model, '@', 1) end,
           case when cast(:by_tier as boolean)
                then coalesce(nullif(split_part(model, '@', 2), ''), 'default') end,
           case when cast(:by_key as boolean) then key_id end,
           sum(calls), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
           sum(images), sum(cost_nano)
    from usage_total
    where account_id = :account and hour >= :since and hour < :until
      and settlement in ('complete', 'client_abort')
      and (cast(:operations as text[]) is null or operation = any(:operations))
      and (cast(:models as text[]) is null or split_part(model, '@', 1) = any(:models))
      and (cast(:keys as uuid[]) is null or key_id = any(:keys))
      and (not cast(:of_images as boolean) or images > 0)
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
"""


class Width(StrEnum):
    """How long a bucket is, in UTC."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class UsageWish:
    """Which usage, from an instant up to another, and by what it is added up. None is all;
    `of_images` only of calls that judged pictures."""

    since: datetime
    until: datetime
    width: Width
    by_model: bool = False
    by_key: bool = False
    by_tier: bool = False
    operations: Sequence[str] | None = None
    models: Sequence[str] | None = None
    key_ids: Sequence[UUID] | None = None
    of_images: bool = False


@dataclass(frozen=True, slots=True)
class Used:
    """What one bucket has of a model and a key, where it is added up by them. `cost_nano` is what
    calls cost as they went: before allowances, tiers and tax, which are of a whole period."""

    starts_at: datetime
    model: str | None
    service_tier: str | None
    key_id: UUID | None
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    images: int
    cost_nano: int


async def used_by(session: AsyncSession, account_id: UUID, wish: UsageWish) -> list[Used]:
    """The buckets that have any usage, the earliest first."""
    values = {
        "account": account_id,
        "since": wish.since,
        "until": wish.until,
        "width": wish.width.value,
        "by_model": wish.by_model,
        "by_key": wish.by_key,
        "by_tier": wish.by_tier,
        "operations": _list(wish.operations),
        "models": _list(wish.models),
        "keys": _list(wish.key_ids),
        "of_images": wish.of_images,
    }
    rows = await session.execute(text(_BUCKETS), values)
    return [Used(*row[:4], *(int(one) for one in row[4:])) for row in rows]


async def counted_until(session: AsyncSession) -> datetime:
    """Up to when usage is in the totals."""
    return (await session.execute(select(UsageCursor.moved_at))).scalar_one()


def _list(values: Sequence[object] | None) -> list[object] | None:
    return None if values is None else list(values)
