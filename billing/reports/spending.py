"""Spending: what a billing period counts, added up by day, hour, model, key, settlement or tag.

Reads only the totals, through the period's place in their keys, so ten million calls cost no more
than their hours. It counts what the period's invoice bills; costs are usage charges after included
units, before discounts, tiers and tax.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.quantities import METERS, Quantities
from billing.reports.covering import covered_by_place, including_terms
from billing.tables import BillingPeriod

MOST_ROWS = 1_000
_COUNTED = ("calls", *METERS, "cost_nano")
_UNITS = ", ".join(f"sum({meter})" for meter in METERS)
_SUMS = ", ".join(f"sum({name}) as {name}" for name in _COUNTED)
_WHICH = """
    period_id = :period and account_id = :account
      and (:each or settlement in ('complete', 'client_abort'))
      and (cast(:only_model as text) is null or model = :only_model)
      and (cast(:only_key as uuid) is null or key_id = :only_key)
      and (cast(:since as timestamptz) is null or (hour >= :since and hour < :until and not late))
"""
# Hours first: to tell the local day of every total, and not of every hour, took twice as long.
_BY_TIME = f"""
    select {{value}}, {{model}}, {_SUMS}
    from (
        select hour, late, model, {_SUMS} from usage_total where {_WHICH} group by 1, 2, 3
    ) of_hour
    group by 1, 2 order by 1, 2
    limit :limit
"""  # noqa: S608  # put together of constants
_BY = f"""
    select {{value}}, cast(null as text), {_SUMS}
    from usage_total where {_WHICH}
    group by 1 order by sum(cost_nano) desc, sum(calls) desc, 1
    limit :limit
"""  # noqa: S608  # put together of constants
# What included units may have covered: by models and terms, whose prices tell what was saved.
_COVERED_BY_TIME = f"""
    select {{value}}, model, plan_version_id, {_UNITS}, sum(cost_nano)
    from (
        select hour, late, model, plan_version_id, {_SUMS}
        from usage_total where {_WHICH} and plan_version_id = any(:versions) group by 1, 2, 3, 4
    ) of_hour
    group by 1, 2, 3
"""  # noqa: S608  # put together of constants
_COVERED_BY = f"""
    select {{value}}, model, plan_version_id, {_UNITS}, sum(cost_nano)
    from usage_total where {_WHICH} and plan_version_id = any(:versions)
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


class Dimension(StrEnum):
    """By what usage is added up. A day or an hour that is None has calls of earlier periods, which
    became known after those were closed."""

    DAY = "day"
    HOUR = "hour"
    MODEL = "model"
    KEY = "key"
    SETTLEMENT = "settlement"


# Times by the period's own days; hours are whole hours of UTC.
_VALUES = {
    Dimension.DAY: "case when not late then date_trunc('day', hour, :zone) end",
    Dimension.HOUR: "case when not late then hour end",
    Dimension.MODEL: "model",
    Dimension.KEY: "key_id",
    Dimension.SETTLEMENT: "settlement",
}
_TIMES = (Dimension.DAY, Dimension.HOUR)


@dataclass(frozen=True, slots=True)
class Only:
    """Which of a period's usage; None is all. `since` and `until` come together."""

    model: str | None = None
    key_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one value of a dimension has, of one `model` where it was added up by models too.
    `covered_nano` is what the calls would have cost more without included units."""

    value: datetime | UUID | str | None
    model: str | None
    calls: int
    quantities: Quantities
    cost_nano: int
    covered_nano: int = 0

    @property
    def included(self) -> bool:
        """Whether included units paid for all of it."""
        return self.cost_nano == 0 and self.covered_nano > 0


ALL = Only()


async def spending(
    session: AsyncSession,
    account_id: UUID,
    period: BillingPeriod,
    by: Dimension,
    only: Only = ALL,
    *,
    by_model: bool = False,
) -> list[Spent]:
    """What one of the account's periods counts: times the earliest first, else the most costly.

    Only what is billed, unless added up by settlement; `by_model` adds times up by models too. At
    most MOST_ROWS; a period has fewer hours, and hours are asked for one day at a time.
    """
    query = _BY_TIME if by in _TIMES else _BY
    model = "model" if by_model else "cast(null as text)"
    values = {
        "account": account_id,
        "period": period.id,
        "zone": period.time_zone,
        "each": by is Dimension.SETTLEMENT,
        "only_model": only.model,
        "only_key": only.key_id,
        "since": only.since,
        "until": only.until,
        "limit": MOST_ROWS * (20 if by_model else 1),
    }
    rows = await session.execute(text(query.format(value=_VALUES[by], model=model)), values)
    spent = [_spent(*row) for row in rows]
    covered = _COVERED_BY_TIME if by in _TIMES else _COVERED_BY
    # Calls that are not billed have units and no cost, and nothing covered them.
    asked = text(covered.format(value=_VALUES[by])), {**values, "each": False}
    return await _with_covered(session, spent, asked, by_model=by_model)


def by_times(spent: Sequence[Spent]) -> list[Spent]:
    """What was added up by times and models, by times alone."""
    return [
        _together(value, [one for one in spent if one.value == value])
        for value in dict.fromkeys(one.value for one in spent)
    ]


def by_models(spent: Sequence[Spent]) -> list[Spent]:
    """What was added up by times and models, by models alone, the most costly first."""
    found = [
        _together(model, [one for one in spent if one.model == model])
        for model in dict.fromkeys(one.model for one in spent)
    ]
    return sorted(found, key=lambda one: (-one.cost_nano, -one.calls, str(one.value)))


async def tags_of(session: AsyncSession, account_id: UUID, period: BillingPeriod) -> list[str]:
    """The names of the tags that a period's calls carry, the most costly first, 20 at most."""
    values = {"account": account_id, "period": period.id}
    return [str(row[0]) for row in await session.execute(text(_TAGS), values)]


async def spending_by_tag(
    session: AsyncSession, account_id: UUID, period: BillingPeriod, tag: str, limit: int = 100
) -> list[Spent]:
    """What calls with each value of a tag have, the most costly first."""
    values = {"account": account_id, "period": period.id, "tag": tag, "limit": limit}
    spent = [_spent(*row) for row in await session.execute(text(_BY_TAG), values)]
    return await _with_covered(session, spent, (text(_COVERED_BY_TAG), values), by_model=False)


async def _with_covered(
    session: AsyncSession,
    spent: list[Spent],
    asked: tuple[TextClause, dict[str, Any]],
    *,
    by_model: bool,
) -> list[Spent]:
    """The same with what included units saved. Most accounts have none: that is one look."""
    query, values = asked
    place = {"period": values["period"], "account": values["account"]}
    versions = [row[0] for row in await session.execute(text(_VERSIONS), place)]
    terms = await including_terms(session, versions)
    if not terms:
        return spent
    rows = (await session.execute(query, {**values, "versions": list(terms)})).all()
    covered = covered_by_place(terms, rows, by_model=by_model)
    return [replace(one, covered_nano=covered.get((one.value, one.model), 0)) for one in spent]


def _spent(value: datetime | UUID | str | None, model: str | None, *sums: int) -> Spent:
    calls, *units, cost = (int(one) for one in sums)
    return Spent(value, model, calls, Quantities(*units), cost)


def _together(value: datetime | UUID | str | None, parts: Sequence[Spent]) -> Spent:
    return Spent(
        value,
        None,
        sum(one.calls for one in parts),
        sum((one.quantities for one in parts), Quantities()),
        sum(one.cost_nano for one in parts),
        sum(one.covered_nano for one in parts),
    )
