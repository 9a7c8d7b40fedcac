"""A lease that was closed by a commit whose result was lost: its used units count once."""

from collections.abc import AsyncIterator

import pytest

from billing.accounts.account_creation import AccountLimits
from billing.tables import QuotaKind
from gateway.quota.demand import Demand
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.borrower import PRICE, Borrower, Fate
from tests.support.billing.making import Customer, customer, sql


@pytest.fixture
async def borrower(database: Database, database_url: str) -> AsyncIterator[Borrower]:
    connection = DirectConnection(database_url, 30.0)
    made = Borrower(database, connection)
    await made.join()
    yield made
    await connection.close()


async def call(borrower: Borrower, of: Customer, tokens: int) -> bool:
    """A call that costs all that it reserves; returns whether it was admitted."""
    demand = Demand(0, tokens, tokens, 0, 0, {"output_tokens": PRICE}, of.quotas)
    if not await borrower.call(of, demand, False, 0.0, Fate.HEARD):
        return False
    await borrower.end(borrower.calls[0], 1.0, tokens, 0.0, Fate.HEARD)
    return True


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.FAILED])
async def test_units_used_before_a_close_of_unknown_outcome_count_once(
    database: Database, borrower: Borrower, fate: Fate
) -> None:
    """Of a credit of 9,000, 3,000 are used when the account rests. The next call comes before the
    process has read whether the lease was closed, and gets a lease of more units than were used."""
    of = await customer(database, AccountLimits(9_000, 1_000, 100_000, 10))
    credit = of.quota(QuotaKind.CREDIT)
    assert await call(borrower, of, 1_000)
    await borrower.tick(True, 0.0, Fate.HEARD)
    await borrower.tick(True, 0.0, fate)
    assert await call(borrower, of, 1_200)
    snapshot = borrower.holdings.snapshot(credit)
    assert snapshot is not None
    assert snapshot.consumed == 6_600
    (row,) = await sql(
        database, "select used from quota_lease where quota_id = cast(:of as uuid)", of=credit
    )
    assert borrower.holdings.get_lease(credit).used == row.used
    assert await call(borrower, of, 800)
