"""The access epoch: accounts changed since an epoch, and processes that lag behind it."""

from uuid import UUID

import pytest

from billing.metering.key_epoch import (
    MAX_REPORTED_CHANGES,
    AccessChanges,
    acknowledge_epoch,
    advance_epoch,
    count_processes_behind,
    read_access_changes,
    read_epoch,
)
from billing.metering.process_reaper import delete_expired_rows, end_process
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import CLOCK, process, sql


async def change(database: Database, *accounts: UUID | None) -> None:
    async with database.transaction() as session:
        for account_id in accounts:
            await advance_epoch(session, account_id)


async def change_and_fail(database: Database) -> None:
    async with database.transaction() as session:
        await advance_epoch(session, ids.new_id())
        raise ZeroDivisionError


@pytest.fixture
async def before(connection: DirectConnection) -> int:
    return (await read_access_changes(connection, 0)).epoch


class TestAccessChanges:
    async def test_no_change_returns_an_empty_account_set(
        self, connection: DirectConnection, before: int
    ) -> None:
        assert await read_access_changes(connection, before) == AccessChanges(before, frozenset())

    async def test_returns_accounts_changed_after_the_epoch(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        one, other, third = ids.new_id(), ids.new_id(), ids.new_id()
        await change(database, one)
        await change(database, other, third, other)
        told = await read_access_changes(connection, before + 1)
        assert told == AccessChanges(before + 4, frozenset({other, third}))

    async def test_change_for_all_accounts_returns_no_account_set(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        await change(database, ids.new_id(), None)
        assert await read_access_changes(connection, before) == AccessChanges(before + 2, None)

    async def test_rolled_back_change_does_not_advance_the_epoch(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        with pytest.raises(ZeroDivisionError):
            await change_and_fail(database)
        assert await read_access_changes(connection, before) == AccessChanges(before, frozenset())

    async def test_more_changes_than_the_limit_are_reported_for_all_accounts(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        await change(database, *(ids.new_id() for _ in range(MAX_REPORTED_CHANGES + 1)))
        told = await read_access_changes(connection, before)
        assert told == AccessChanges(before + MAX_REPORTED_CHANGES + 1, None)
        last = await read_access_changes(connection, before + 1)
        assert last.account_ids is not None
        assert len(last.account_ids) == MAX_REPORTED_CHANGES


class TestUnattributedAccessChanges:
    async def test_changes_older_than_ten_minutes_are_reported_for_all_accounts(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        old, new = ids.new_id(), ids.new_id()
        await change(database, old)
        await sql(database, "update access_change set at = at - interval '11 minutes'")
        await change(database, new)
        async with database.transaction() as session:
            await delete_expired_rows(session)
        assert await read_access_changes(connection, before) == AccessChanges(before + 2, None)
        assert await read_access_changes(connection, before + 1) == AccessChanges(
            before + 2, frozenset({new})
        )

    async def test_epoch_advance_without_account_row_is_reported_for_all_accounts(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        await sql(database, "update access_epoch set count = count + 1")
        await change(database, ids.new_id())
        assert await read_access_changes(connection, before) == AccessChanges(before + 2, None)


class TestEpochRead:
    async def test_epoch_includes_changes_of_the_same_transaction(
        self, database: Database, before: int
    ) -> None:
        async with database.transaction() as session:
            assert await read_epoch(session) == before
            await advance_epoch(session, None)
            assert await read_epoch(session) == before + 1


class TestProcessesBehind:
    async def behind(self, database: Database, epoch: int) -> int:
        async with database.transaction() as session:
            return await count_processes_behind(session, epoch)

    async def test_process_is_behind_until_it_acknowledges_the_epoch(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        early, late = await process(database), await process(database)
        assert await self.behind(database, before) == 2
        assert await acknowledge_epoch(connection, early, before + 1)
        assert await acknowledge_epoch(connection, late, before)
        assert await self.behind(database, before) == 0
        assert await self.behind(database, before + 1) == 1
        assert await self.behind(database, before + 2) == 2

    async def test_ended_process_is_not_behind_and_cannot_acknowledge(
        self, database: Database, connection: DirectConnection, before: int
    ) -> None:
        ended = await process(database)
        async with database.transaction() as session:
            await end_process(session, ended, CLOCK.now())
        assert await self.behind(database, before + 1) == 0
        assert not await acknowledge_epoch(connection, ended, before + 1)
