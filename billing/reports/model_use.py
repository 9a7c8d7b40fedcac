"""Model use: what each model did for everybody: calls, units, faults of ours, and what it earned.

Reads the totals of periods that reach into the time, and open calls. Costs are as calls went,
before allowances, tiers and tax. Owns the queries. For operators: it looks across accounts
(account_id). Does not own what serving costs, which is recorded nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.quantities import METERS, Quantities

_BILLED = "t.settlement in ('complete', 'client_abort')"
_UNITS = ", ".join(f"coalesce(sum(t.{meter}) filter (where {_BILLED}), 0)" for meter in METERS)
_USE = f"""
    select t.model, a.currency, sum(t.calls),
           coalesce(sum(t.calls) filter (where t.settlement = 'platform_fault'), 0),
           {_UNITS}, sum(t.cost_nano)
    from billing_period p join usage_total t on t.period_id = p.id
    join account a on a.id = p.account_id
    where p.ends_at > :since and t.hour >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
      and t.model <> '' and t.settlement <> 'refused'
    group by 1, 2 order by 1, 2
"""  # noqa: S608  # put together of constants
_OPEN = "select model, count(*) from intent group by 1"


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a model did: `faults` are calls that our side failed, which nobody pays; `costs` what
    calls cost, in nano-units by currency."""

    calls: int = 0
    faults: int = 0
    quantities: Quantities = field(default_factory=Quantities)
    costs: Mapping[str, int] = field(default_factory=dict)


NOTHING = ModelUse()


async def use_by_model(session: AsyncSession, since: datetime) -> dict[str, ModelUse]:
    """From the hour of an instant on, by model."""
    found: dict[str, ModelUse] = {}
    for model, currency, *sums in await session.execute(text(_USE), {"since": since}):
        calls, faults, *units, cost = (int(one) for one in sums)
        known = found.get(model, NOTHING)
        found[model] = replace(
            known,
            calls=known.calls + calls,
            faults=known.faults + faults,
            quantities=known.quantities + Quantities(*units),
            costs={**known.costs, currency: cost},
        )
    return found


async def open_calls(session: AsyncSession) -> dict[str, int]:
    """Calls that were sent to each model and are not settled yet, of all gateways."""
    return {model: int(count) for model, count in await session.execute(text(_OPEN))}
