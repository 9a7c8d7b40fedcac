"""Checks of usage and quotas: each planted fault is reported, consistent records are not."""

from datetime import UTC, datetime

import pytest

from billing.metering.leases import LeaseChange
from billing.metering.usage_log import write_usage_batch
from billing.reconciliation.usage_and_quotas import Difference, ReconciliationResult, reconcile
from billing.tables import QuotaKind, Settlement
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    Customer,
    borrow,
    customer,
    differences,
    intent,
    process,
    settled,
    sql,
    wish,
)

REFERENCES = "Usage rows refer to existing accounts and keys"
LENT = "Quota leases equal the processes' leases"
CREDIT_SPENT = "Credit used equals the cost of the account's calls"
MONTH_SPENT = "Key budget used equals the cost of the key's calls"
CREDIT = "Account credit equals the sum of its credit entries"
SETTLED_OPEN = "Settled calls are not open"
STRAY = "Open calls belong to a running process"
HOLDS = "Ended processes hold no quota leases"

_OPEN = (
    "insert into intent select {call}, {process}, u.account_id, u.key_id, 'chat', 'm', false, 1,"
    " 'CNY', now() from usage u where cost_nano = 4"
)
_STOPPED = "with p as (update gateway_process set {change} returning id) " + _OPEN.format(
    call="gen_random_uuid()", process="(select id from p)"
)
# What somebody did to the database behind our back, and what that contradicts.
FAULTS = {
    "a quota says that it has lent more": (
        "update quota set leased = leased + 7 where kind = 'credit'",
        [(LENT, 307, 300)],
    ),
    "a lease is lost": (
        "delete from quota_lease l using quota q where q.id = l.quota_id and q.kind = 'credit'",
        [(LENT, 300, 0), (CREDIT_SPENT, 100, 104)],
    ),
    "credit counts less than was spent": (
        "update quota set used = used - 1 where kind = 'credit'",
        [(CREDIT_SPENT, 103, 104)],
    ),
    "a month counts more than was spent": (
        "update quota set used = used + 1 where kind = 'budget'",
        [(MONTH_SPENT, 105, 104)],
    ),
    "a call was charged to nobody": (
        "insert into usage select gen_random_uuid(), account_id, key_id, operation, model,"
        " streamed, settlement, status, null, 1, null, null, null, 9, currency, started_at, 1, null"
        " from usage where cost_nano = 4",
        [(CREDIT_SPENT, 104, 113), (MONTH_SPENT, 104, 113)],
    ),
    "a call belongs to an unknown key": (
        "insert into usage select gen_random_uuid(), account_id, gen_random_uuid(), operation,"
        " model, streamed, settlement, status, null, 1, null, null, null, 0, currency, started_at,"
        " 1, null from usage where cost_nano = 4",
        [(REFERENCES, 1, 0)],
    ),
    "a limit is not what its entries say": (
        "update quota set amount = amount + 1 where kind = 'credit'",
        [(CREDIT, 1001, 1000)],
    ),
    "a limit was lifted without an entry": (
        "update quota set amount = null where kind = 'credit'",
        [(CREDIT, 0, 1000)],
    ),
    "an entry changed no limit": (
        "insert into credit_entry"
        " select gen_random_uuid(), id, 'top_up', 5, '', now() from account",
        [(CREDIT, 1000, 1005)],
    ),
    "a settled call is open": (
        _OPEN.format(call="u.request_id", process="(select id from gateway_process)"),
        [(SETTLED_OPEN, 1, 0)],
    ),
    "an open call is nobody's": (
        _OPEN.format(call="gen_random_uuid()", process="gen_random_uuid()"),
        [(STRAY, 1, 0)],
    ),
    "an open call's process has ended": (
        _STOPPED.format(change="ended_at = now()"),
        [(STRAY, 1, 0)],
    ),
    "an open call's process is long silent": (
        _STOPPED.format(change="expires_at = now() - interval '61 seconds'"),
        [(STRAY, 1, 0)],
    ),
    "an ended process holds something": (
        "update gateway_process set ended_at = now() - interval '4 minutes'",
        [(HOLDS, 296, 0), (HOLDS, 296, 0)],
    ),
}


async def spender(database: Database, connection: DirectConnection) -> Customer:
    """Create a customer that spent 104, of which 100 is in its quotas; its process leases 296."""
    of, mine = await customer(database), await process(database)
    for payer in of.payers:
        await borrow(database, mine, payer, 400)
    await write_usage_batch(connection, mine, [], [settled(of, 100)])
    await wish(database, mine, {payer: LeaseChange() for payer in of.payers})
    await write_usage_batch(connection, mine, [], [settled(of, 4)])
    return of


class TestUsageAndQuotaChecks:
    async def test_consistent_records_have_no_difference(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await spender(database, connection)
        unknown = settled(of, 0, settlement=Settlement.UNKNOWN)
        await write_usage_batch(connection, await process(database), [intent(of)], [unknown])
        async with database.transaction() as session:
            found = await reconcile(session)
        assert found == ReconciliationResult(
            usage_rows=3, unknown_rows=1, open_calls=1, processes=2, held=296, differences=()
        )

    async def test_empty_database_has_no_difference(self, database: Database) -> None:
        assert await differences(database) == ()

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_planted_fault_is_reported(
        self, database: Database, connection: DirectConnection, fault: str
    ) -> None:
        await spender(database, connection)
        statement, expected = FAULTS[fault]
        await sql(database, statement)
        found = await differences(database)
        assert [(one.check, one.recorded, one.expected) for one in found] == expected

    async def test_difference_names_the_account(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await spender(database, connection)
        await sql(database, FAULTS["a limit is not what its entries say"][0])
        assert [one.subject for one in await differences(database)] == [str(of.account_id)]

    async def test_recently_expired_or_ended_process_is_tolerated(
        self, database: Database, connection: DirectConnection
    ) -> None:
        await spender(database, connection)
        await sql(
            database,
            _OPEN.format(call="gen_random_uuid()", process="(select id from gateway_process)"),
        )
        await sql(database, "update gateway_process set expires_at = now() - interval '50 seconds'")
        assert await differences(database) == ()
        await sql(database, "delete from intent")
        await sql(database, "update gateway_process set ended_at = now() - interval '2 minutes'")
        assert await differences(database) == ()

    async def test_call_counts_toward_the_budget_of_its_start_month(
        self, database: Database, connection: DirectConnection
    ) -> None:
        last = datetime(2027, 3, 31, 23, 59, 59, 999_999, UTC)
        first = datetime(2027, 4, 1, tzinfo=UTC)
        of = await customer(database, at=last)
        mine = await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 400)
        await write_usage_batch(connection, mine, [], [settled(of, 100, started_at=last)])
        assert await differences(database) == ()
        await write_usage_batch(connection, mine, [], [settled(of, 20, started_at=first)])
        march = of.quota(QuotaKind.BUDGET)
        assert await differences(database) == (Difference(MONTH_SPENT, march, 120, 100),)
