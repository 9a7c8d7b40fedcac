"""Row checks: every usage row costs what its quantities come to, less the units that are covered,
at the prices of the terms that it names.

Uses the same function as admission and metering (`call_cost`). Rows come from a server-side cursor
in batches, so memory is bounded; and only those written since the last check that found nothing, so
that a nightly check reads a day's rows. A row that was corrected is held against its correction.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.products import PRODUCT_SQL
from billing.rating.quantities import METERS, Quantities, call_cost
from billing.rating.statement import held_prices
from billing.subscriptions.plans import terms_of

ROW_COSTS = "a call costs what its quantities come to, less covered units, at its prices"
_BATCH = 2_000
# More differences than that say no more; the check stops there and looks again at the next run.
MOST_WRONG = 1_000
# Rows that no terms priced cost nothing, but for those of releases before terms were kept.
_ROWS = f"""
    select u.request_id, u.account_id, {PRODUCT_SQL}, u.plan_version_id, u.covered,
           coalesce(c.cost_nano, u.cost_nano), {", ".join(f"u.{meter}" for meter in METERS)}
    from usage u left join usage_correction c on c.request_id = u.request_id
    where u.written_in >= :since and u.plan_version_id is not null
      and u.settlement in ('complete', 'client_abort')
"""  # noqa: S608  # put together of constants
_ENDED = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True, slots=True)
class WrongCost:
    """A row that says another cost than its quantities come to."""

    request_id: UUID
    account_id: UUID
    recorded: int
    expected: int


@dataclass(frozen=True, slots=True)
class RowsRated:
    """How many rows were rated again, and those that cost something else. `until` is where the next
    check may begin: all rows of transactions before it agree."""

    rows: int
    until: int
    wrong: tuple[WrongCost, ...]


async def rate_rows(session: AsyncSession, since: int = 0) -> RowsRated:
    """Rate again all rows that transactions from `since` on wrote.

    A `since` that lies ahead, as after a restore into a new cluster, is taken for 0. For operators:
    it looks across accounts (account_id).
    """
    ended = int((await session.execute(text(_ENDED))).scalar_one())
    since = since if since <= ended else 0
    rows, wrong = 0, []
    async for batch in _batches(session, since):
        rows += len(batch)
        wrong += await _wrong(session, batch)
        if len(wrong) >= MOST_WRONG:
            break
    return RowsRated(rows, since if wrong else ended, tuple(wrong[:MOST_WRONG]))


async def _batches(session: AsyncSession, since: int) -> AsyncIterator[list[Any]]:
    found = await session.stream(
        text(_ROWS), {"since": since}, execution_options={"yield_per": _BATCH}
    )
    try:
        async for batch in found.partitions():
            yield list(batch)
    finally:
        await found.close()


async def _wrong(session: AsyncSession, batch: list[Any]) -> list[WrongCost]:
    prices = await _prices(session, {(row[3], row[2]) for row in batch})
    wrong = []
    for request_id, account_id, model, version_id, covered, recorded, *units in batch:
        known = prices.get((version_id, model))
        if known is None:
            continue  # another check says which terms are missing
        expected = call_cost(Quantities(*units), known, _covered(covered))
        if recorded != expected:
            wrong.append(WrongCost(request_id, account_id, int(recorded), expected))
    return wrong


async def _prices(
    session: AsyncSession, places: set[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Mapping[str, int]]:
    """Unit prices by terms and model, as calls are priced while they run."""
    terms = await terms_of(session, {version_id for version_id, _ in places})
    return {
        (version_id, model): held_prices(terms[version_id], model)
        for version_id, model in places
        if version_id in terms
    }


def _covered(covered: Mapping[str, Mapping[str, int]] | None) -> Mapping[str, int]:
    return {meter: sum(of.values()) for meter, of in (covered or {}).items()}
