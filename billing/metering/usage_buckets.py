"""Usage of an account by hour or day, summed from the hourly usage totals.

Reads only the totals, by their index on account and hour, so the query's cost depends on the
number of hours and not on the number of calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from billing.metering.project_usage import PROJECT_USAGE
from billing.tables import UsageCursor

_BUCKETS = """
    select date_trunc(:width, hour, 'UTC'),
           case when cast(:by_model as boolean) then split_part(model, '@', 1) end,
           case when cast(:by_tier as boolean)
                then coalesce(nullif(split_part(model, '@', 2), ''), 'default') end,
           case when cast(:by_key as boolean) then key_id end, {project},
           sum(calls), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
           sum(images), sum(cost_nano)
    from {source}
    where account_id = :account and hour >= :since and hour < :until
      and settlement in ('complete', 'client_abort')
      and (cast(:operations as text[]) is null or operation = any(:operations))
      and (cast(:models as text[]) is null or split_part(model, '@', 1) = any(:models))
      and (cast(:keys as uuid[]) is null or key_id = any(:keys))
      and (not cast(:of_images as boolean) or images <> 0) {only}
    group by 1, 2, 3, 4, 5
    having sum(calls) <> 0
    order by 1, 2, 3, 4, 5
"""
_ALL_PROJECTS = _BUCKETS.format(source="usage_total", project="cast(null as uuid)", only="")
_EACH_PROJECT = _BUCKETS.format(
    source=PROJECT_USAGE,
    project="case when cast(:by_project as boolean) then project_id end",
    only="and (cast(:projects as uuid[]) is null or project_id = any(:projects))",
)


class BucketWidth(StrEnum):
    """The length of a bucket, aligned to UTC."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class UsageBucketQuery:
    """Filters and grouping of usage buckets, from `since` up to `until`; None means all.

    `images_only` selects calls with image inputs.
    """

    since: datetime
    until: datetime
    bucket_width: BucketWidth
    by_model: bool = False
    by_key: bool = False
    by_tier: bool = False
    by_project: bool = False
    operations: Sequence[str] | None = None
    models: Sequence[str] | None = None
    key_ids: Sequence[UUID] | None = None
    project_ids: Sequence[UUID] | None = None
    images_only: bool = False


@dataclass(frozen=True, slots=True)
class UsageBucket:
    """The usage of one bucket, of one model, tier, key and project if grouped by them.

    `cost_nano` is the sum of the per-call costs in nano-units, before discounts, volume tiers and
    tax, which apply to a whole billing period.
    """

    starts_at: datetime
    model: str | None
    service_tier: str | None
    key_id: UUID | None
    project_id: UUID | None
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    images: int
    cost_nano: int


async def list_usage_buckets(
    session: AsyncSession, account_id: UUID, query: UsageBucketQuery
) -> list[UsageBucket]:
    """List the buckets with usage, earliest first."""
    values: dict[str, object] = {
        "account": account_id,
        "since": query.since,
        "until": query.until,
        "width": query.bucket_width.value,
        "by_model": query.by_model,
        "by_key": query.by_key,
        "by_tier": query.by_tier,
        "operations": _to_list(query.operations),
        "models": _to_list(query.models),
        "keys": _to_list(query.key_ids),
        "of_images": query.images_only,
    }
    statement = _ALL_PROJECTS
    if query.by_project or query.project_ids is not None:
        statement = _EACH_PROJECT
        values |= {"by_project": query.by_project, "projects": _to_list(query.project_ids)}
    rows = await session.execute(text(statement), values)
    return [UsageBucket(*row[:5], *(int(total) for total in row[5:])) for row in rows]


async def get_aggregation_time(session: AsyncSession) -> datetime:
    """Return the time up to which usage is aggregated into the totals."""
    return (await session.execute(select(UsageCursor.moved_at))).scalar_one()


def _to_list(values: Sequence[object] | None) -> list[object] | None:
    """Return the values as a list, as the driver needs it; None stays None."""
    return None if values is None else list(values)
