"""Model use: what each model did for everybody: calls, units, faults of ours, and what it earned.

Reads the totals of periods that reach into the time, and open calls. Costs are usage charges after
included units, before discounts, tiers and tax. For operators: it looks across accounts
(account_id).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import model_of
from billing.rating.quantities import METERS, Quantities
from billing.reports.covering import covered_by_place, including_terms

_BILLED = "t.settlement in ('complete', 'client_abort')"
_UNITS = ", ".join(f"coalesce(sum(t.{meter}) filter (where {_BILLED}), 0)" for meter in METERS)
_USE = f"""
    select t.model, a.currency, t.plan_version_id, sum(t.calls),
           coalesce(sum(t.calls) filter (where t.settlement = 'platform_fault'), 0),
           {_UNITS}, sum(t.cost_nano)
    from billing_period p join usage_total t on t.period_id = p.id
    join account a on a.id = p.account_id
    where p.ends_at > :since and t.hour >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
      and t.model <> '' and t.settlement <> 'refused'
    group by 1, 2, 3 order by 1, 2, 3
"""  # noqa: S608  # put together of constants
_OPEN = "select model, count(*) from intent group by 1"


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a model did: `faults` are calls that our side failed, which nobody pays; `costs` what
    calls cost and `covered` what included units saved, in nano-units by currency."""

    calls: int = 0
    faults: int = 0
    quantities: Quantities = field(default_factory=Quantities)
    costs: Mapping[str, int] = field(default_factory=dict)
    covered: Mapping[str, int] = field(default_factory=dict)


NOTHING = ModelUse()


async def use_by_model(session: AsyncSession, since: datetime) -> dict[str, ModelUse]:
    """From the hour of an instant on, by model."""
    rows = (await session.execute(text(_USE), {"since": since})).all()
    terms = await including_terms(session, {row[2] for row in rows})
    found: dict[str, ModelUse] = {}
    for row in rows:
        model, currency, version_id, calls, faults, *units, cost = row
        served = model_of(model)
        known = found.get(served, NOTHING)
        of_row = covered_by_place(terms, [(None, model, version_id, *units, cost)], by_model=False)
        found[served] = replace(
            known,
            calls=known.calls + int(calls),
            faults=known.faults + int(faults),
            quantities=known.quantities + Quantities(*(int(one) for one in units)),
            costs=_more(known.costs, currency, int(cost)),
            covered=_more(known.covered, currency, sum(of_row.values())),
        )
    return found


def _more(known: Mapping[str, int], currency: str, nano: int) -> dict[str, int]:
    return {**known, currency: known.get(currency, 0) + nano}


async def open_calls(session: AsyncSession) -> dict[str, int]:
    """Calls that were sent to each model and are not settled yet, of all gateways."""
    return {model: int(count) for model, count in await session.execute(text(_OPEN))}
