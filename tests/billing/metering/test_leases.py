"""Quota leases: units to lend, process registration, lease changes and snapshots."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.accounts.account_creation import AccountLimits
from billing.metering import leases
from billing.metering.leases import (
    LeaseChange,
    ProcessEnded,
    QuotaSnapshot,
    read_quota_snapshots,
    recall_leases,
    register_process,
    remaining_credit,
    renew_process,
    units_to_lend,
)
from billing.metering.process_reaper import end_process
from billing.metering.quotas import set_limit
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
    process,
    settled,
    sql,
    wish,
)

UNITS = st.integers(0, 1000)
NEEDS = st.lists(st.tuples(UNITS, UNITS).map(lambda pair: (max(pair), min(pair))), max_size=6)


def credit(of: Customer) -> str:
    return of.quota(QuotaKind.CREDIT)


async def standing(connection: DirectConnection, process_id: UUID, quota_id: str) -> QuotaSnapshot:
    return (await read_quota_snapshots(connection, process_id, [quota_id]))[quota_id]


class TestUnitsToLend:
    @pytest.mark.parametrize(
        ("free", "wish", "lent"),
        [
            (100, LeaseChange(needs=((10, 1), (20, 1))), 30),
            (100, LeaseChange(), 0),
            (
                25,
                LeaseChange(needs=((10, 1), (20, 5))),
                25,
            ),  # the second makes do with what is left
            (12, LeaseChange(needs=((10, 1), (20, 5))), 10),  # and what is no use to it stays
            (20, LeaseChange(needs=((30, 25), (20, 5))), 20),  # the first cannot, the second can
            (
                20,
                LeaseChange(needs=((30, 5), (10, 5))),
                20,
            ),  # the first has all, the second nothing
            (-5, LeaseChange(needs=((10, 1),), prefetch_units=5), 0),
            (3200, LeaseChange(prefetch_units=1000), 100),
            (3200, LeaseChange(prefetch_units=7), 7),
            (31, LeaseChange(prefetch_units=7), 0),
        ],
    )
    def test_worked_examples_of_units_to_lend(
        self, free: int, wish: LeaseChange, lent: int
    ) -> None:
        assert units_to_lend(free, wish) == lent

    @given(st.integers(-1000, 5000), NEEDS, UNITS)
    def test_units_to_lend_never_exceed_free_units(
        self, free: int, needs: list[tuple[int, int]], extra: int
    ) -> None:
        assert (
            0
            <= units_to_lend(free, LeaseChange(needs=tuple(needs), prefetch_units=extra))
            <= max(free, 0)
        )

    @given(st.integers(0, 5000), NEEDS, UNITS)
    def test_units_to_lend_never_exceed_requested_units(
        self, free: int, needs: list[tuple[int, int]], extra: int
    ) -> None:
        most = sum(most for most, _ in needs) + extra
        assert units_to_lend(free, LeaseChange(needs=tuple(needs), prefetch_units=extra)) <= most

    @given(st.integers(0, 5000), NEEDS)
    def test_first_satisfiable_need_is_served_regardless_of_later_needs(
        self, free: int, needs: list[tuple[int, int]]
    ) -> None:
        first = units_to_lend(free, LeaseChange(needs=tuple(needs[:1])))
        assert units_to_lend(free, LeaseChange(needs=tuple(needs))) >= first
        if needs and needs[0][1] <= free:
            assert first == min(needs[0][0], free)

    @given(st.integers(0, 5000), NEEDS)
    def test_no_units_are_lent_if_no_need_can_be_satisfied(
        self, free: int, needs: list[tuple[int, int]]
    ) -> None:
        if all(least > free for _, least in needs):
            assert units_to_lend(free, LeaseChange(needs=tuple(needs))) == 0


class TestProcessRegistration:
    async def test_process_is_alive_until_its_ttl_expires(
        self, database: Database, connection: DirectConnection
    ) -> None:
        mine, other = await process(database), await process(database, ttl_s=-1)
        assert await renew_process(connection, mine, 10) == (True, True)
        assert await renew_process(connection, other, 10) == (True, False)

    async def test_repeated_registration_creates_one_row(self, database: Database) -> None:
        mine = await process(database)
        async with database.transaction() as session:
            await register_process(session, mine, "host", 1, 10)
        assert await sql(database, "select count(*) from gateway_process") == [(1,)]


class TestProcessRenewal:
    async def test_ended_process_cannot_be_renewed(
        self, database: Database, connection: DirectConnection
    ) -> None:
        mine = await process(database)
        async with database.transaction() as session:
            await end_process(session, mine, CLOCK.now())
        assert await renew_process(connection, mine, 10) == (False, False)

    async def test_unregistered_process_cannot_be_renewed(
        self, database: Database, connection: DirectConnection
    ) -> None:
        assert await renew_process(connection, ids.new_id(), 10) == (False, False)


class TestLeaseChange:
    async def test_leases_of_several_processes_do_not_exceed_the_quota(
        self, database: Database
    ) -> None:
        of = await customer(database)
        first, second = await process(database), await process(database)
        assert (await borrow(database, first, credit(of), 600)).borrowed == 600
        assert (await borrow(database, second, credit(of), 600)).borrowed == 0
        assert await borrow(database, second, credit(of), 400) == QuotaSnapshot(
            1000, 0, 400, 600, 0, 0
        )

    async def test_returned_units_reduce_the_lease(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        await borrow(database, mine, credit(of), 600)
        changed = await wish(
            database, mine, {credit(of): LeaseChange(returned_units=500, needs=((50, 50),))}
        )
        assert changed[credit(of)].borrowed == 150

    async def test_used_units_are_not_returned(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 600)
        await write_usage_batch(connection, mine, [], [settled(of, 100)])
        changed = await wish(database, mine, {credit(of): LeaseChange(returned_units=10_000)})
        assert changed[credit(of)] == QuotaSnapshot(1000, 100, 100, 0, 0, 100)
        assert await differences(database) == ()

    async def test_usage_written_during_the_change_counts_for_the_own_process(
        self, database: Database, connection: DirectConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether or not the change sees the new usage, no other process counts as its user."""
        of, mine = await customer(database), await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 600)
        read = leases._find_leases

        async def reading(*arguments: Any) -> Any:
            found = await read(*arguments)
            await write_usage_batch(connection, mine, [], [settled(of, 100)])
            return found

        monkeypatch.setattr(leases, "_find_leases", reading)
        changed = (await wish(database, mine, {credit(of): LeaseChange(returned_units=10)}))[
            credit(of)
        ]
        assert changed.consumed - changed.used == changed.leased_elsewhere == 0
        monkeypatch.undo()
        assert await differences(database) == ()

    async def test_closed_lease_is_deleted_and_its_used_units_are_kept(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 600)
        await write_usage_batch(connection, mine, [], [settled(of, 100)])
        await wish(database, mine, {payer: LeaseChange(close=True) for payer in of.payers})
        assert await sql(database, "select count(*) from quota_lease") == [(0,)]
        used = "select sum(used), sum(leased) from quota where kind = 'credit'"
        assert await sql(database, used) == [(100, 0)]
        assert await differences(database) == ()

    async def test_closing_a_missing_lease_changes_no_rows(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        changed = await wish(database, mine, {credit(of): LeaseChange(close=True)})
        assert changed[credit(of)] == QuotaSnapshot(1000, 0, 0, 0, 0, 0)
        assert await sql(database, "select count(*) from quota_lease") == [(0,)]

    async def test_quota_without_limit_lends_any_amount(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        budget = of.quota(QuotaKind.BUDGET)
        assert (await borrow(database, mine, budget, 10**15)).borrowed == 10**15

    async def test_lowered_limit_stops_further_lending(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        tokens = of.quota(QuotaKind.TOKENS)
        await borrow(database, mine, tokens, 600)
        async with database.transaction() as session:
            await set_limit(session, of.account_id, QuotaKind.TOKENS, 500)
        assert (await borrow(database, mine, tokens, 1)).borrowed == 600
        back = await wish(
            database, mine, {tokens: LeaseChange(returned_units=200, needs=((200, 50),))}
        )
        assert back[tokens] == QuotaSnapshot(500, 0, 500, 0, 1, 0)

    async def test_ended_process_cannot_borrow(self, database: Database) -> None:
        of, mine = await customer(database), await process(database)
        async with database.transaction() as session:
            await end_process(session, mine, CLOCK.now())
        with pytest.raises(ProcessEnded):
            await borrow(database, mine, credit(of), 1)


class TestQuotaSnapshots:
    async def test_snapshot_equals_the_result_of_an_empty_lease_change(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine, other = await customer(database), await process(database), await process(database)
        for borrower in (mine, other):
            for payer in of.payers:
                await borrow(database, borrower, payer, 300)
        await write_usage_batch(connection, other, [], [settled(of, 120)])
        read = await standing(connection, mine, credit(of))
        assert read == QuotaSnapshot(1000, 120, 300, 180, 0, 0)
        assert await wish(database, mine, {credit(of): LeaseChange()}) == {credit(of): read}

    async def test_snapshot_of_a_quota_without_leases_has_no_leased_units(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        assert await standing(connection, ids.new_id(), credit(of)) == QuotaSnapshot(
            1000, 0, 0, 0, 0, 0
        )


class TestRemainingCredit:
    async def test_settled_calls_reduce_remaining_credit_and_running_calls_do_not(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database), await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 300)
        await write_usage_batch(connection, mine, [], [settled(of, 120)])
        async with database.transaction() as session:
            assert await remaining_credit(session, of.account_id) == 880

    async def test_account_without_credit_limit_has_no_remaining_credit_value(
        self, database: Database
    ) -> None:
        async with database.transaction() as session:
            assert await remaining_credit(session, ids.new_id()) is None


class TestLeaseRecall:
    async def test_recall_increments_the_counter_in_the_snapshot(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        before = await standing(connection, ids.new_id(), credit(of))
        async with database.transaction() as session:
            await recall_leases(session, [credit(of)])
        after = await standing(connection, ids.new_id(), credit(of))
        assert after.recalls == before.recalls + 1


class TestConcurrentLeaseChanges:
    async def test_lease_changes_recalls_and_limit_changes_do_not_deadlock(
        self, database_url: str
    ) -> None:
        """Processes, recalls and limit changes lock the same quotas in different orders."""
        database = Database(database_url, pool_size=8)
        of = await customer(database)
        ours = [await process(database) for _ in range(4)]
        quotas = [quota.id for quota in of.quotas]
        kinds = [QuotaKind.STREAMS, QuotaKind.TOKENS, QuotaKind.REQUESTS]

        async def borrows(place: int, mine: UUID) -> None:
            for turn in range(10):
                order = quotas if (place + turn) % 2 else quotas[::-1]
                await wish(
                    database,
                    mine,
                    {quota: LeaseChange(returned_units=1, needs=((2, 1),)) for quota in order},
                )

        async def recalls(order: list[str]) -> None:
            for _ in range(10):
                async with database.transaction() as session:
                    await recall_leases(session, order)

        async def limits(order: list[QuotaKind]) -> None:
            for _ in range(10):
                async with database.transaction() as session:
                    for kind in order:
                        await set_limit(session, of.account_id, kind, 50)

        await asyncio.gather(
            *(borrows(place, mine) for place, mine in enumerate(ours)),
            recalls(quotas),
            recalls(quotas[::-1]),
            limits(kinds),
            limits(kinds[::-1]),
        )
        assert await differences(database) == ()
        await database.close()

    async def test_concurrent_charges_and_lease_changes_keep_totals_consistent(
        self, database_url: str
    ) -> None:
        """Both write the same rows, from two connections of one process."""
        database = Database(database_url, pool_size=2)
        connection = DirectConnection(database_url, 30.0)
        of = await customer(database, AccountLimits(10**6, None, None, None))
        mine = await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 5_000)

        async def charge() -> None:
            for _ in range(30):
                assert await write_usage_batch(
                    connection, mine, [], [settled(of, 10), settled(of, 20)]
                )

        async def change() -> None:
            for _ in range(30):
                wishes = {
                    payer: LeaseChange(returned_units=7, needs=((9, 9),)) for payer in of.payers
                }
                await wish(database, mine, wishes)

        await asyncio.gather(charge(), change())
        async with database.transaction() as session:
            assert await remaining_credit(session, of.account_id) == 10**6 - 900
        assert await differences(database) == ()
        await connection.close()
        await database.close()
