"""Search of usage rows: filters, order, and following new rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.metering.error_fixes import ANY_ERROR
from billing.metering.usage import UsageRecord, insert_usage
from billing.metering.usage_search import (
    UsageFilter,
    current_write_cursor,
    list_newest_usage,
    list_usage_after,
    write_cursor_of,
)
from billing.tables import Settlement
from infra.database.database import Database
from tests.support.billing.making import Customer, append, customer, make_key, record

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
# By the model they name, at one minute after the other.
CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tagged": {"tags": {"order": "A-17", "line": "2"}},
    "other order": {"tags": {"order": "A-18"}},
    "refused": {
        "status": 429,
        "settlement": Settlement.REFUSED,
        "error_code": "rate_limit_exceeded",
    },
    "failed": {
        "status": 502,
        "settlement": Settlement.PLATFORM_FAULT,
        "error_code": "upstream_error",
    },
    "left": {"settlement": Settlement.CLIENT_ABORT},
}


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def calls(of: Customer) -> list[UsageRecord]:
    return [
        record(of, model=name, started_at=minute(number), **values)
        for number, (name, values) in enumerate(CALLS.items())
    ]


async def newest(database: Database, wanted: UsageFilter, limit: int = 10) -> list[str | None]:
    async with database.transaction() as session:
        return [row.model for row in await list_newest_usage(session, wanted, limit)]


@pytest.fixture
async def of(database: Database) -> Customer:
    made = await customer(database)
    await append(database, *calls(made))
    return made


class TestUsageFilter:
    async def test_empty_filter_returns_all_rows_newest_first(
        self, database: Database, of: Customer
    ) -> None:
        assert await newest(database, UsageFilter()) == [*reversed(CALLS)]
        assert await newest(database, UsageFilter(), 2) == ["left", "failed"]

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (UsageFilter(since=minute(4)), {"failed", "left"}),
            (UsageFilter(until=minute(1)), {"plain"}),
            (UsageFilter(since=minute(1), until=minute(2)), {"tagged"}),
            (UsageFilter(statuses=[(400, 499)]), {"refused"}),
            (UsageFilter(statuses=[(400, 499), (502, 502)]), {"refused", "failed"}),
            (UsageFilter(settlements=["client_abort"]), {"left"}),
            (UsageFilter(statuses=[(502, 502)], settlements=["client_abort"]), {"failed", "left"}),
            (UsageFilter(models=["plain", "left", "none"]), {"plain", "left"}),
            (UsageFilter(tags={"order": "A-17"}), {"tagged"}),
            (UsageFilter(tags={"order": "A-17", "line": "2"}), {"tagged"}),
            (UsageFilter(tags={"order": "A-17", "line": "3"}), set()),
            (UsageFilter(error_codes=["upstream_error"]), {"failed"}),
            (UsageFilter(error_codes=[ANY_ERROR]), {"refused", "failed"}),
            (UsageFilter(error_codes=[ANY_ERROR], statuses=[(500, 599)]), {"failed"}),
        ],
    )
    async def test_returns_calls_that_match_all_conditions(
        self, database: Database, of: Customer, wanted: UsageFilter, found: set[str]
    ) -> None:
        assert set(await newest(database, wanted)) == found

    async def test_account_filter_excludes_other_accounts(
        self, database: Database, of: Customer
    ) -> None:
        other = await customer(database, name="B")
        await append(database, record(other, model="others"))
        assert await newest(database, UsageFilter(account_id=other.account_id)) == ["others"]
        assert "others" not in await newest(database, UsageFilter(account_id=of.account_id))
        assert "others" in await newest(database, UsageFilter())

    async def test_key_filter_excludes_other_keys(self, database: Database, of: Customer) -> None:
        key_id = await make_key(database, of.account_id)
        await append(database, record(of, model="other key", key_id=key_id))
        assert await newest(database, UsageFilter(key_id=key_id)) == ["other key"]
        assert await newest(database, UsageFilter(key_id=of.key_id)) == [*reversed(CALLS)]


class TestUsageFollowing:
    async def test_returns_rows_written_after_the_cursor_in_write_order(
        self, database: Database, of: Customer
    ) -> None:
        """Order is by write, not by start time; rows written before the cursor are not returned."""
        async with database.transaction() as session:
            place = await current_write_cursor(session)
        for name, began in (("second", 20), ("first", 10), ("third", 30)):
            await append(database, record(of, model=name, started_at=minute(began)))
        async with database.transaction() as session:
            rows = await list_usage_after(session, UsageFilter(), place, 10)
            assert [row.model for row in rows] == ["second", "first", "third"]
            rest = await list_usage_after(session, UsageFilter(), write_cursor_of(rows[0]), 10)
            assert [row.model for row in rest] == ["first", "third"]
            assert (
                await list_usage_after(session, UsageFilter(), write_cursor_of(rows[-1]), 10) == []
            )

    async def test_paging_returns_each_row_of_one_transaction_once(
        self, database: Database
    ) -> None:
        async with database.transaction() as session:
            place = await current_write_cursor(session)
        of, seen = await customer(database), list[str | None]()
        await append(database, *calls(of))
        while True:
            async with database.transaction() as session:
                rows = await list_usage_after(session, UsageFilter(), place, 4)
            if not rows:
                break
            seen += [row.model for row in rows]
            place = write_cursor_of(rows[-1])
        assert len(seen) == len(CALLS)
        assert set(seen) == set(CALLS)

    async def test_returns_only_rows_that_match_the_filter(self, database: Database) -> None:
        async with database.transaction() as session:
            place = await current_write_cursor(session)
        of, other = await customer(database), await customer(database, name="B")
        await append(database, *calls(of), record(other, status=502))
        wanted = UsageFilter(account_id=of.account_id, statuses=[(500, 599)])
        async with database.transaction() as session:
            rows = await list_usage_after(session, wanted, place, 10)
        assert [row.model for row in rows] == ["failed"]

    async def test_rows_are_withheld_while_an_older_transaction_is_open(
        self, database: Database
    ) -> None:
        """Otherwise a row of the older transaction would be skipped by the cursor."""
        of = await customer(database)
        async with database.transaction() as session:
            place = await current_write_cursor(session)
        async with database.transaction() as older:
            await insert_usage(older, [record(of, model="older")])
            await append(database, record(of, model="younger"))
            async with database.transaction() as session:
                assert await list_usage_after(session, UsageFilter(), place, 10) == []
        async with database.transaction() as session:
            rows = await list_usage_after(session, UsageFilter(), place, 10)
        assert [row.model for row in rows] == ["older", "younger"]
