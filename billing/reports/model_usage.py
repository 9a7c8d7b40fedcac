"""Usage of each model across all accounts: calls, platform faults, units, costs and open calls.

Costs are usage charges after included units, before discounts, tiers and tax. For operators: reads
across accounts (account_id).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import model_of_product
from billing.rating.quantities import METERS, Quantities
from billing.reports.allowance_savings import savings_by_value, terms_with_allowances

_IS_BILLED = "t.settlement in ('complete', 'client_abort')"
_UNITS = ", ".join(f"coalesce(sum(t.{meter}) filter (where {_IS_BILLED}), 0)" for meter in METERS)
_USAGE_BY_MODEL = f"""
    select t.model, a.currency, t.plan_version_id, sum(t.calls),
           coalesce(sum(t.calls) filter (where t.settlement = 'platform_fault'), 0),
           {_UNITS}, sum(t.cost_nano)
    from billing_period p join usage_total t on t.period_id = p.id
    join account a on a.id = p.account_id
    where p.ends_at > :since and t.hour >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
      and t.model <> '' and t.settlement <> 'refused'
    group by 1, 2, 3 order by 1, 2, 3
"""  # noqa: S608  # put together of constants
_OPEN_CALLS = "select model, count(*) from intent group by 1"


@dataclass(frozen=True, slots=True)
class PlatformModelUsage:
    """Usage of a model by all accounts.

    `faults` are calls that failed on our side and are not billed; `costs` and `covered` (savings
    by included units) are nano-units by currency.
    """

    calls: int = 0
    faults: int = 0
    quantities: Quantities = field(default_factory=Quantities)
    costs: Mapping[str, int] = field(default_factory=dict)
    covered: Mapping[str, int] = field(default_factory=dict)


NO_MODEL_USAGE = PlatformModelUsage()


async def load_usage_by_model(
    session: AsyncSession, since: datetime
) -> dict[str, PlatformModelUsage]:
    """Return the usage of each model since the hour of an instant."""
    rows = (await session.execute(text(_USAGE_BY_MODEL), {"since": since})).all()
    terms = await terms_with_allowances(session, {row[2] for row in rows})
    usage: dict[str, PlatformModelUsage] = {}
    for row in rows:
        model, currency, version_id, calls, faults, *units, cost = row
        model_id = model_of_product(model)
        existing = usage.get(model_id, NO_MODEL_USAGE)
        savings = savings_by_value(terms, [(None, model, version_id, *units, cost)], by_model=False)
        usage[model_id] = replace(
            existing,
            calls=existing.calls + int(calls),
            faults=existing.faults + int(faults),
            quantities=existing.quantities + Quantities(*(int(one) for one in units)),
            costs=_add_amount(existing.costs, currency, int(cost)),
            covered=_add_amount(existing.covered, currency, sum(savings.values())),
        )
    return usage


def _add_amount(amounts: Mapping[str, int], currency: str, nano: int) -> dict[str, int]:
    """Return the amounts by currency with nano-units added in one currency."""
    return {**amounts, currency: amounts.get(currency, 0) + nano}


async def count_open_calls(session: AsyncSession) -> dict[str, int]:
    """Count the unsettled calls of each model on all gateways."""
    return {model: int(count) for model, count in await session.execute(text(_OPEN_CALLS))}
