"""Leases after a commit whose confirmation was lost: minimal cases that test_sharing.py found."""

from dataclasses import replace

from billing.accounts.account_creation import AccountLimits
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.borrower import DEMAND, Borrower, Fate
from tests.support.billing.making import customer, differences


async def test_reserved_units_are_not_returned_after_an_unconfirmed_commit(
    database: Database, connection: DirectConnection
) -> None:
    """A call whose need cannot be met returns the free units, and the commit's confirmation is
    lost. The next call must not return the same units again: they are reserved by then."""
    of = await customer(
        database, AccountLimits(credit_nano=200, requests=None, tokens=None, streams=None)
    )
    credit = replace(DEMAND, quotas=of.quotas, input_tokens=0)
    slow, other = Borrower(database, connection), Borrower(database, connection)
    await slow.join()
    await other.join()
    assert await slow.call(of, replace(credit, output_tokens=50), True, 0.0, Fate.HEARD)
    assert await slow.call(of, replace(credit, output_tokens=10), True, 0.0, Fate.HEARD)
    await slow.end(slow.calls[1], 0.0, 0, 0.0, Fate.HEARD)
    huge = replace(credit, output_tokens=60, min_output_tokens=60)
    assert not await slow.call(of, huge, True, 0.0, Fate.LOST)
    assert not await slow.call(of, huge, True, 0.0, Fate.HEARD)
    assert not await other.call(of, huge, True, 0.0, Fate.HEARD)
    await slow.end(slow.calls[0], 1.0, 50, 0.0, Fate.HEARD)
    assert await differences(database) == ()


async def test_reopened_lease_starts_with_zero_used_units(
    database: Database, connection: DirectConnection
) -> None:
    of = await customer(database)
    member = Borrower(database, connection)
    await member.join()
    whole = replace(DEMAND, quotas=of.quotas, input_tokens=0, output_tokens=100)
    assert await member.call(of, whole, False, 0.0, Fate.HEARD)
    await member.end(member.calls[0], 1.0, 0, 0.0, Fate.HEARD)
    await member.tick(True, 100.0, Fate.HEARD)
    await member.tick(True, 100.0, Fate.LOST)
    await member.tick(False, 100.0, Fate.HEARD)
    rest = replace(whole, output_tokens=233, min_output_tokens=233)
    assert await member.call(of, rest, False, 100.0, Fate.HEARD)
