"""Spending of an account in a billing period by day, hour, model, key, settlement or tag.

Read from the usage totals, which contain what the period's invoice bills. Costs are usage charges
after included units, before discounts, tiers and tax.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.project_usage import PROJECT_USAGE
from billing.rating.quantities import METERS, Quantities
from billing.reports.allowance_savings import savings_by_value, terms_with_allowances
from billing.tables import BillingPeriod

MAX_ROWS = 1_000
_SUMMED_COLUMNS = ("calls", *METERS, "cost_nano")
_UNITS = ", ".join(f"sum({meter})" for meter in METERS)
_SUMS = ", ".join(f"sum({name}) as {name}" for name in _SUMMED_COLUMNS)
_FILTER = """
    period_id = :period and account_id = :account
      and (:each or settlement in ('complete', 'client_abort'))
      and (cast(:only_model as text) is null or model = :only_model)
      and (cast(:only_key as uuid) is null or key_id = :only_key)
      and (cast(:since as timestamptz) is null or (hour >= :since and hour < :until and not late))
"""
# Aggregated by hour first: computing the local day of every total row took twice as long.
_BY_TIME = f"""
    select {{value}}, {{model}}, {_SUMS}
    from (
        select hour, late, model, {_SUMS} from usage_total where {_FILTER} group by 1, 2, 3
    ) of_hour
    group by 1, 2 having sum(calls) <> 0 order by 1, 2
    limit :limit
"""  # noqa: S608  # put together of constants
_BY_DIMENSION = f"""
    select {{value}}, cast(null as text), {_SUMS}
    from usage_total where {_FILTER}
    group by 1 having sum(calls) <> 0 order by sum(cost_nano) desc, sum(calls) desc, 1
    limit :limit
"""  # noqa: S608  # put together of constants
# Usage that included units may cover, by model and terms, to compute the savings at their prices.
_COVERED_BY_TIME = f"""
    select {{value}}, model, plan_version_id, {_UNITS}, sum(cost_nano)
    from (
        select hour, late, model, plan_version_id, {_SUMS}
        from usage_total where {_FILTER} and plan_version_id = any(:versions) group by 1, 2, 3, 4
    ) of_hour
    group by 1, 2, 3
"""  # noqa: S608  # put together of constants
_COVERED_BY_DIMENSION = f"""
    select {{value}}, model, plan_version_id, {_UNITS}, sum(cost_nano)
    from usage_total where {_FILTER} and plan_version_id = any(:versions)
    group by 1, 2, 3
"""  # noqa: S608  # put together of constants
_COVERED_BY_TAG = f"""
    select value, model, plan_version_id, {_UNITS}, sum(cost_nano)
    from usage_tag_total
    where period_id = :period and account_id = :account and tag = :tag
      and plan_version_id = any(:versions)
    group by 1, 2, 3
"""  # noqa: S608  # put together of constants
_VERSIONS = """
    select distinct plan_version_id from usage_total
    where period_id = :period and account_id = :account
"""
_TAGS = """
    select tag from usage_tag_total where period_id = :period and account_id = :account
    group by tag order by sum(cost_nano) desc, tag collate "C" limit 20
"""
_BY_TAG = f"""
    select value, null, {_SUMS}
    from usage_tag_total
    where period_id = :period and account_id = :account and tag = :tag
    group by value order by sum(cost_nano) desc, sum(calls) desc, value collate "C"
    limit :limit
"""  # noqa: S608  # put together of constants


class SpendingDimension(StrEnum):
    """Grouping of usage. The day or hour None is late usage of earlier, closed periods."""

    DAY = "day"
    HOUR = "hour"
    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    SETTLEMENT = "settlement"


# Days are in the period's time zone, hours are UTC hours.
_DIMENSION_SQL = {
    SpendingDimension.DAY: "case when not late then date_trunc('day', hour, :zone) end",
    SpendingDimension.HOUR: "case when not late then hour end",
    SpendingDimension.MODEL: "model",
    SpendingDimension.KEY: "key_id",
    SpendingDimension.PROJECT: "project_id",
    SpendingDimension.SETTLEMENT: "settlement",
}
_TIME_DIMENSIONS = (SpendingDimension.DAY, SpendingDimension.HOUR)


@dataclass(frozen=True, slots=True)
class SpendingFilter:
    """Filter for a period's usage; None means all. `since` and `until` are set together."""

    model: str | None = None
    key_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    project_ids: Sequence[UUID] | None = None


@dataclass(frozen=True, slots=True)
class SpendingRow:
    """Usage and cost of one value of a dimension, and of one `model` if also grouped by model.

    `covered_nano` is the saving by included units in nano-units.
    """

    value: datetime | UUID | str | None
    model: str | None
    calls: int
    quantities: Quantities
    cost_nano: int
    covered_nano: int = 0

    @property
    def included(self) -> bool:
        """Whether included units cover the usage completely."""
        return self.cost_nano == 0 and self.covered_nano > 0


NO_FILTER = SpendingFilter()


async def list_spending(
    session: AsyncSession,
    account_id: UUID,
    period: BillingPeriod,
    by: SpendingDimension,
    only: SpendingFilter = NO_FILTER,
    *,
    by_model: bool = False,
) -> list[SpendingRow]:
    """List a period's usage by a dimension and, if `by_model`, model, filtered by `only`.

    Only billed usage, except by settlement. `by_model` also groups times by model. At most
    MAX_ROWS rows.
    """
    from_table = _with_projects if _needs_projects(by, only) else _without_projects
    query = from_table(_BY_TIME if by in _TIME_DIMENSIONS else _BY_DIMENSION)
    model = "model" if by_model else "cast(null as text)"
    values = {
        "account": account_id,
        "period": period.id,
        "zone": period.time_zone,
        "each": by is SpendingDimension.SETTLEMENT,
        "only_model": only.model,
        "only_key": only.key_id,
        "only_projects": None if only.project_ids is None else list(only.project_ids),
        "since": only.since,
        "until": only.until,
        "limit": MAX_ROWS * (20 if by_model else 1),
    }
    rows = await session.execute(text(query.format(value=_DIMENSION_SQL[by], model=model)), values)
    rows_by_value = [_spending_row(*row) for row in rows]
    savings_query = from_table(
        _COVERED_BY_TIME if by in _TIME_DIMENSIONS else _COVERED_BY_DIMENSION
    )
    # Unbilled calls have units without cost, which must not count as savings.
    savings_statement = (
        text(savings_query.format(value=_DIMENSION_SQL[by])),
        {**values, "each": False},
    )
    return await _add_savings(session, rows_by_value, savings_statement, by_model=by_model)


def _needs_projects(by: SpendingDimension, only: SpendingFilter) -> bool:
    """Whether the usage is grouped or filtered by project."""
    return by is SpendingDimension.PROJECT or only.project_ids is not None


def _with_projects(query: str) -> str:
    """Return a query of the usage totals as one of the totals of projects."""
    only = "(cast(:only_projects as uuid[]) is null or project_id = any(:only_projects))"
    return query.replace("usage_total where", f"{PROJECT_USAGE} where {only} and")


def _without_projects(query: str) -> str:
    """Return a query of the usage totals unchanged."""
    return query


def merge_by_time(rows: Sequence[SpendingRow]) -> list[SpendingRow]:
    """Return rows by time, merged from rows by time and model."""
    return [
        _merge_rows(value, [row for row in rows if row.value == value])
        for value in dict.fromkeys(row.value for row in rows)
    ]


def merge_by_model(rows: Sequence[SpendingRow]) -> list[SpendingRow]:
    """Merge rows by time and model into rows by model, highest cost first."""
    merged = [
        _merge_rows(model, [row for row in rows if row.model == model])
        for model in dict.fromkeys(row.model for row in rows)
    ]
    return sorted(merged, key=lambda row: (-row.cost_nano, -row.calls, str(row.value)))


async def list_tags(session: AsyncSession, account_id: UUID, period: BillingPeriod) -> list[str]:
    """List the tag names of a period's calls, highest cost first, at most 20."""
    values = {"account": account_id, "period": period.id}
    return [str(row[0]) for row in await session.execute(text(_TAGS), values)]


async def list_spending_by_tag(
    session: AsyncSession, account_id: UUID, period: BillingPeriod, tag: str, limit: int = 100
) -> list[SpendingRow]:
    """List the usage by value of a tag, highest cost first."""
    values = {"account": account_id, "period": period.id, "tag": tag, "limit": limit}
    rows = [_spending_row(*row) for row in await session.execute(text(_BY_TAG), values)]
    return await _add_savings(session, rows, (text(_COVERED_BY_TAG), values), by_model=False)


async def _add_savings(
    session: AsyncSession,
    spending_rows: list[SpendingRow],
    statement: tuple[TextClause, dict[str, Any]],
    *,
    by_model: bool,
) -> list[SpendingRow]:
    """Set the rows' savings by included units; `statement` selects the covered usage."""
    query, values = statement
    parameters = {"period": values["period"], "account": values["account"]}
    versions = [row[0] for row in await session.execute(text(_VERSIONS), parameters)]
    terms = await terms_with_allowances(session, versions)
    if not terms:
        return spending_rows
    rows = (await session.execute(query, {**values, "versions": list(terms)})).all()
    covered = savings_by_value(terms, rows, by_model=by_model)
    return [
        replace(one, covered_nano=covered.get((one.value, one.model), 0)) for one in spending_rows
    ]


def _spending_row(
    value: datetime | UUID | str | None, model: str | None, *sums: int
) -> SpendingRow:
    """Build a report row from a query row; `sums` are calls, units by meter and cost."""
    calls, *units, cost = (int(one) for one in sums)
    return SpendingRow(value, model, calls, Quantities(*units), cost)


def _merge_rows(value: datetime | UUID | str | None, parts: Sequence[SpendingRow]) -> SpendingRow:
    """Add up rows of different models into one row for `value`."""
    return SpendingRow(
        value,
        None,
        sum(one.calls for one in parts),
        sum((one.quantities for one in parts), Quantities()),
        sum(one.cost_nano for one in parts),
        sum(one.covered_nano for one in parts),
    )
