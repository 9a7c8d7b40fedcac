"""Process reaper: leases of ended processes are returned and their open calls settled, once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from billing.metering.process_reaper import (
    ReapedProcess,
    delete_expired_rows,
    end_process,
    reap_expired_process,
    settle_replaced_call,
)
from billing.metering.usage_log import write_usage_batch
from billing.tables import QuotaKind
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    CLOCK,
    Customer,
    borrow,
    customer,
    differences,
    intent,
    process,
    settled,
    sql,
)

_AGE = "update gateway_process set ended_at = ended_at - make_interval(secs => :seconds)"
_SETTLED = "select settlement, error_code, cost_nano from usage"
_LENT = "select q.kind, q.used, q.leased from quota q where q.used + q.leased > 0 order by q.kind"


async def busy(
    database: Database, connection: DirectConnection, of: Customer, ttl_s: float
) -> UUID:
    """Create a process with a lease of every quota, one settled call and two open calls."""
    mine = await process(database)
    for quota in of.quotas:
        await borrow(database, mine, quota.id, 10)
    await write_usage_batch(connection, mine, [intent(of), intent(of)], [settled(of, 4)])
    await sql(
        database,
        "update gateway_process set expires_at = now() + make_interval(secs => :ttl)"
        " where id = :id",
        ttl=ttl_s,
        id=mine,
    )
    return mine


async def reap(database: Database) -> ReapedProcess | None:
    async with database.transaction() as session:
        return await reap_expired_process(session, CLOCK.now())


async def end(database: Database, mine: UUID) -> ReapedProcess | None:
    async with database.transaction() as session:
        return await end_process(session, mine, CLOCK.now())


async def pass_time(database: Database, seconds: int) -> None:
    await sql(database, _AGE, seconds=seconds)
    async with database.transaction() as session:
        await delete_expired_rows(session)


class TestExpiredProcessReaping:
    async def test_process_before_its_expiry_is_not_reaped(
        self, database: Database, connection: DirectConnection
    ) -> None:
        await busy(database, connection, await customer(database), ttl_s=10)
        assert await reap(database) is None

    async def test_open_calls_of_the_reaped_process_are_settled_as_unknown(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        lost = await busy(database, connection, of, ttl_s=-1)
        assert await reap(database) == ReapedProcess(lost, 2)
        unknown = await sql(
            database,
            "select account_id, key_id, operation, model, streamed, status, error_code, cost_nano,"
            " input_tokens, currency, duration_us >= 0 from usage where settlement = 'unknown'",
        )
        error = "gateway_process_ended"
        row = (of.account_id, of.key_id, "chat", "m", True, 500, error, 0, None, "CNY", True)
        assert unknown == [row, row]
        assert await sql(database, "select count(*) from intent") == [(0,)]
        assert await differences(database) == ()

    async def test_leased_money_and_streams_are_returned_at_once(
        self, database: Database, connection: DirectConnection
    ) -> None:
        await busy(database, connection, await customer(database), ttl_s=-1)
        await reap(database)
        assert await sql(database, _LENT) == [
            ("budget", 4, 0),
            ("credit", 4, 0),
            ("requests_per_minute", 0, 10),
            ("tokens_per_minute", 0, 10),
        ]
        assert await differences(database) == ()

    async def test_concurrent_reapers_reap_each_process_once(
        self, database_url: str, connection: DirectConnection
    ) -> None:
        database = Database(database_url, pool_size=6)
        of = await customer(database)
        lost = [await busy(database, connection, of, ttl_s=-1) for _ in range(4)]

        async def reap_all() -> list[ReapedProcess]:
            found = []
            while (ended := await reap(database)) is not None:
                found.append(ended)
            return found

        reaped = [
            one for some in await asyncio.gather(*(reap_all() for _ in range(6))) for one in some
        ]
        assert sorted(one.process_id for one in reaped) == sorted(lost)
        assert [one.unknown_calls for one in reaped] == [2] * 4
        unknown = "select count(*) from usage where settlement = 'unknown'"
        assert await sql(database, unknown) == [(8,)]
        assert await differences(database) == ()
        await database.close()

    async def test_ended_process_is_not_reaped(
        self, database: Database, connection: DirectConnection
    ) -> None:
        mine = await busy(database, connection, await customer(database), ttl_s=-1)
        await end(database, mine)
        assert await reap(database) is None


class TestProcessEnd:
    async def test_ending_twice_returns_leases_once(
        self, database: Database, connection: DirectConnection
    ) -> None:
        mine = await busy(database, connection, await customer(database), ttl_s=10)
        assert await end(database, mine) == ReapedProcess(mine, 2)
        assert await end(database, mine) is None
        assert await differences(database) == ()

    async def test_ending_an_unregistered_process_returns_none(self, database: Database) -> None:
        assert await end(database, ids.new_id()) is None

    async def test_process_without_open_calls_ends_with_no_unknown_calls(
        self, database: Database
    ) -> None:
        mine = await process(database)
        assert await end(database, mine) == ReapedProcess(mine, 0)

    async def test_unknown_call_with_future_start_has_zero_duration(
        self, database: Database, connection: DirectConnection
    ) -> None:
        mine = await busy(database, connection, await customer(database), ttl_s=10)
        async with database.transaction() as session:
            await end_process(session, mine, CLOCK.now() - timedelta(hours=1))
        durations = "select duration_us from usage where settlement = 'unknown'"
        assert await sql(database, durations) == [(0,), (0,)]


class TestReplacedCall:
    async def test_late_usage_row_of_a_replaced_call_is_neither_stored_nor_charged(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine, opened = await self._opened(database, connection)
        await self._replace(database, of.account_id, opened)
        late = replace(settled(of, 4, request_id=opened), has_intent=True)
        assert await write_usage_batch(connection, mine, [], [late])
        assert await sql(database, _SETTLED) == [("unknown", "lost", 0)]
        assert await sql(database, "select count(*) from intent") == [(0,)]
        assert await sql(database, "select sum(used) from quota_lease") == [(0,)]
        assert await differences(database) == ()

    async def test_usage_row_that_was_written_first_stays_as_it_is(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine, opened = await self._opened(database, connection)
        first = replace(settled(of, 4, request_id=opened), has_intent=True)
        await write_usage_batch(connection, mine, [], [first])
        await self._replace(database, of.account_id, opened)
        assert await sql(database, _SETTLED) == [("complete", None, 4)]

    async def test_open_call_of_another_account_is_not_settled(
        self, database: Database, connection: DirectConnection
    ) -> None:
        _, _, opened = await self._opened(database, connection)
        await self._replace(database, ids.new_id(), opened)
        assert await sql(database, _SETTLED) == []
        assert await sql(database, "select count(*) from intent") == [(1,)]

    async def _opened(
        self, database: Database, connection: DirectConnection
    ) -> tuple[Customer, UUID, UUID]:
        """A customer, a process with leases of its quotas, and the id of an open call."""
        of, mine = await customer(database), await process(database)
        for quota in of.quotas:
            await borrow(database, mine, quota.id, 10)
        opened = intent(of)
        await write_usage_batch(connection, mine, [opened], [])
        return of, mine, opened.request_id

    async def _replace(self, database: Database, account_id: UUID, request_id: UUID) -> None:
        async with database.transaction() as session:
            await settle_replaced_call(session, account_id, request_id, CLOCK.now(), "lost")


class TestExpiredRowDeletion:
    async def test_rate_limit_units_are_returned_one_minute_after_process_end(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        mine = await busy(database, connection, of, ttl_s=10)
        await end(database, mine)
        await pass_time(database, 55)
        assert (
            await borrow(database, await process(database), of.quota(QuotaKind.REQUESTS), 95)
        ).borrowed == 0
        await pass_time(database, 6)
        assert [row for row in await sql(database, _LENT) if "minute" in row[0]] == []
        assert await differences(database) == ()

    async def test_concurrent_deletions_return_leased_units_once(
        self, database: Database, connection: DirectConnection
    ) -> None:
        mine = await busy(database, connection, await customer(database), ttl_s=10)
        await end(database, mine)
        await sql(database, _AGE, seconds=61)
        await asyncio.gather(*(pass_time(database, 0) for _ in range(2)))
        assert await sql(database, "select sum(leased) from quota") == [(0,)]
        assert await differences(database) == ()

    async def test_ended_process_row_is_deleted_after_one_week(self, database: Database) -> None:
        living, dead = await process(database), await process(database)
        await end(database, dead)
        await pass_time(database, 6 * 86_400)
        assert await sql(database, "select count(*) from gateway_process") == [(2,)]
        await pass_time(database, 86_400)
        assert await sql(database, "select id from gateway_process") == [(living,)]
