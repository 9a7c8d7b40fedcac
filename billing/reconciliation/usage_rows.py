"""Check that every usage row's cost follows from its quantities, covered units and terms.

Uses the function that priced the call (`call_cost`). Rows are read in batches from a server-side
cursor, and only those written since the last check without differences. A corrected row is
compared with its correction.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import PRODUCT_SQL
from billing.rating.quantities import METERS, Quantities, call_cost
from billing.rating.statement import unit_prices
from billing.subscriptions.plans import load_terms

ROW_COSTS = "A call's cost equals its quantities less covered units at its prices"
# Check name -> query that returns (subject, recorded, expected). `usage` has no foreign keys.
CHECKS: Mapping[str, str] = {
    "Usage rows refer to existing accounts and keys": """
        select coalesce(u.key_id, u.account_id)::text, count(*), 0 from usage u
        left join account a on a.id = u.account_id
        left join api_key k on k.id = u.key_id
        where (u.account_id is not null and a.id is null)
           or (u.key_id is not null and k.id is null)
        group by 1
    """,
}
_BATCH_SIZE = 2_000
# The check stops at this many differences and repeats from the same row at the next run.
MAX_WRONG = 1_000
# Rows without terms cost nothing, except those of releases that did not store terms.
_ROWS = f"""
    select u.request_id, u.account_id, {PRODUCT_SQL}, u.plan_version_id, u.covered,
           coalesce(c.cost_nano, u.cost_nano), {", ".join(f"u.{meter}" for meter in METERS)}
    from usage u left join usage_correction c on c.request_id = u.request_id
    where u.written_in >= :since and u.plan_version_id is not null
      and u.settlement in ('complete', 'client_abort')
"""  # noqa: S608  # put together of constants
_OLDEST_RUNNING_TRANSACTION = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True, slots=True)
class WrongCost:
    """A usage row whose recorded cost differs from the recomputed cost (nano-units)."""

    request_id: UUID
    account_id: UUID
    recorded: int
    expected: int


@dataclass(frozen=True, slots=True)
class RowCostCheck:
    """Result of the row check: rows rated again and those with a wrong cost.

    `until` is the transaction id from which the next check may begin.
    """

    rows: int
    until: int
    wrong: tuple[WrongCost, ...]


async def check_row_costs(session: AsyncSession, since: int = 0) -> RowCostCheck:
    """Rate all usage rows again that were written by transactions from `since` on.

    A `since` in the future (after a restore into a new cluster) counts as 0. For operators: reads
    across accounts (account_id).
    """
    ended = int((await session.execute(text(_OLDEST_RUNNING_TRANSACTION))).scalar_one())
    since = since if since <= ended else 0
    rows, wrong = 0, []
    async for batch in _stream_batches(session, since):
        rows += len(batch)
        wrong += await _find_wrong_costs(session, batch)
        if len(wrong) >= MAX_WRONG:
            break
    return RowCostCheck(rows, since if wrong else ended, tuple(wrong[:MAX_WRONG]))


async def _stream_batches(session: AsyncSession, since: int) -> AsyncIterator[list[Any]]:
    """Stream the usage rows written by transactions from id `since` on, in batches."""
    result = await session.stream(
        text(_ROWS), {"since": since}, execution_options={"yield_per": _BATCH_SIZE}
    )
    try:
        async for batch in result.partitions():
            yield list(batch)
    finally:
        await result.close()


async def _find_wrong_costs(session: AsyncSession, batch: list[Any]) -> list[WrongCost]:
    """Rate the rows of a batch again; return those whose recorded cost differs."""
    prices = await _load_unit_prices(session, {(row[3], row[2]) for row in batch})
    wrong = []
    for request_id, account_id, model, version_id, covered, recorded, *units in batch:
        unit_prices = prices.get((version_id, model))
        if unit_prices is None:
            continue  # another check reports missing terms
        expected = call_cost(Quantities(*units), unit_prices, _covered_units(covered))
        if recorded != expected:
            wrong.append(WrongCost(request_id, account_id, int(recorded), expected))
    return wrong


async def _load_unit_prices(
    session: AsyncSession, version_models: set[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Mapping[str, int]]:
    """Return the unit prices by plan version and model, as used to price running calls."""
    terms = await load_terms(session, {version_id for version_id, _ in version_models})
    return {
        (version_id, model): unit_prices(terms[version_id], model)
        for version_id, model in version_models
        if version_id in terms
    }


def _covered_units(covered: Mapping[str, Mapping[str, int]] | None) -> Mapping[str, int]:
    """Return the included units of a usage row, summed over quotas, by meter."""
    return {
        meter: sum(units_by_quota.values()) for meter, units_by_quota in (covered or {}).items()
    }
