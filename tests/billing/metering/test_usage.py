"""Usage rows: validation, lists by account and time, and their JSON form."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.accounts.accounts import create_account
from billing.metering.usage import (
    UsageRecord,
    insert_usage,
    list_linked_usage,
    list_usage,
    usage_to_json,
)
from billing.rating.quantities import METERS, Quantities
from billing.tables import Settlement
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def record(account_id: UUID, minute: int) -> UsageRecord:
    return UsageRecord(
        request_id=ids.new_id(),
        account_id=account_id,
        key_id=None,
        operation="chat",
        model="m",
        streamed=True,
        settlement=Settlement.COMPLETE,
        status=200,
        error_code=None,
        quantities=Quantities(input_tokens=minute, output_tokens=0),
        cost_nano=1234,
        currency="CNY",
        started_at=START + timedelta(minutes=minute),
        duration_us=1500,
        first_chunk_us=250,
    )


async def accounts(database: Database) -> tuple[UUID, UUID]:
    async with database.transaction() as session:
        made = [await create_account(session, SystemClock(), name, "CNY") for name in "AB"]
    return made[0].id, made[1].id


def test_covered_units_are_summed_per_quota_over_all_meters() -> None:
    of = record(ids.new_id(), 1)
    covered = {"input_tokens": {"a": 2, "b": 1}, "output_tokens": {"c": 4}}
    assert replace(of, covered=covered).covered_units_by_quota == {"a": 2, "b": 1, "c": 4}
    assert of.covered_units_by_quota == {}


class TestUsageList:
    async def test_until_bound_is_exclusive(self, database: Database) -> None:
        mine, _ = await accounts(database)
        async with database.transaction() as session:
            await insert_usage(session, [record(mine, minute) for minute in range(3)])
        until = START + timedelta(minutes=2)
        async with database.transaction() as session:
            rows = await list_usage(session, account_id=mine, limit=10, until=until)
        assert [row.input_tokens for row in rows] == [1, 0]

    @pytest.mark.parametrize(("code", "found"), [("model_not_found", [1]), ("any", [2, 1])])
    async def test_error_code_filter_matches_one_code_or_any(
        self, database: Database, code: str, found: list[int]
    ) -> None:
        mine, other = await accounts(database)
        failed = {1: "model_not_found", 2: "model_failed"}
        records = [
            replace(record(owner, minute), error_code=failed.get(minute))
            for owner in (mine, other)
            for minute in range(3)
        ]
        async with database.transaction() as session:
            await insert_usage(session, records)
            listed = await list_usage(session, account_id=mine, limit=10, error_code=code)
        assert [row.input_tokens for row in listed] == found

    async def test_rows_are_filtered_by_account_and_start_newest_first(
        self, database: Database
    ) -> None:
        mine, other = await accounts(database)
        async with database.transaction() as session:
            await insert_usage(session, [record(mine, minute) for minute in range(5)])
            await insert_usage(session, [record(other, 99)])
            since = START + timedelta(minutes=3)
            rows = await list_usage(session, account_id=mine, limit=10, since=since)
            assert [row.input_tokens for row in rows] == [4, 3]
            everybody = await list_usage(session, account_id=None, limit=3)
            assert [row.input_tokens for row in everybody] == [99, 4, 3]

    async def test_paging_returns_each_row_with_equal_start_once(self, database: Database) -> None:
        mine, _ = await accounts(database)
        async with database.transaction() as session:
            made = [record(mine, 1) for _ in range(5)]
            await insert_usage(session, made)
            seen: list[UUID] = []
            while True:
                before = seen[-1] if seen else None
                page = await list_usage(session, account_id=mine, limit=2, before=before)
                if not page:
                    break
                seen += [row.request_id for row in page]
        assert sorted(seen) == sorted(row.request_id for row in made)

    async def test_cursor_of_another_account_returns_no_rows(self, database: Database) -> None:
        mine, other = await accounts(database)
        async with database.transaction() as session:
            foreign = record(other, 9)
            await insert_usage(session, [record(mine, 1), foreign])
            page = await list_usage(session, account_id=mine, limit=9, before=foreign.request_id)
        assert page == []

    async def test_paging_without_account_filter_covers_all_accounts(
        self, database: Database
    ) -> None:
        mine, other = await accounts(database)
        async with database.transaction() as session:
            first, second = record(mine, 1), record(other, 2)
            await insert_usage(session, [first, second])
            page = await list_usage(session, account_id=None, limit=9, before=second.request_id)
        assert [row.request_id for row in page] == [first.request_id]


async def test_linked_rows_of_a_call_are_listed_for_its_account_only(database: Database) -> None:
    ours, theirs = await accounts(database)
    parent = record(ours, 0)
    steps = [replace(record(ours, minute), parent_id=parent.request_id) for minute in (2, 1)]
    async with database.transaction() as session:
        await insert_usage(session, [parent, *steps])
        rows = await list_linked_usage(session, ours, parent.request_id, 10)
        assert [row.request_id for row in rows] == [steps[1].request_id, steps[0].request_id]
        assert len(await list_linked_usage(session, ours, parent.request_id, 1)) == 1
        assert await list_linked_usage(session, theirs, parent.request_id, 10) == []


class TestUsageRecord:
    @pytest.mark.parametrize("settlement", ["platform_fault", "refused", "unknown"])
    def test_unbilled_settlement_with_cost_is_rejected(self, settlement: str) -> None:
        with pytest.raises(ValueError, match="costs nothing"):
            replace(record(ids.new_id(), 1), settlement=Settlement(settlement))

    def test_cost_without_account_is_rejected(self) -> None:
        with pytest.raises(ValueError, match="costs nothing"):
            replace(record(ids.new_id(), 1), account_id=None)


class TestUsageJson:
    async def test_unmeasured_quantities_are_null(self, database: Database) -> None:
        mine, _ = await accounts(database)
        async with database.transaction() as session:
            await insert_usage(session, [record(mine, 7)])
            shown = usage_to_json((await list_usage(session, account_id=mine, limit=1))[0])
        assert (shown["input_tokens"], shown["output_tokens"], shown["rows"]) == (7, 0, None)
        assert (shown["cost"], shown["currency"]) == ("0.000001234", "CNY")
        assert (shown["duration_ms"], shown["first_chunk_ms"]) == (1.5, 0.25)
        assert shown["key_id"] is None
        assert (shown["images"], shown["adaptation_seconds"]) == (None, None)

    async def test_all_meters_are_included(self, database: Database) -> None:
        mine, _ = await accounts(database)
        consumed = Quantities(7, 2, 3, 4, 5, 600, 8)
        async with database.transaction() as session:
            await insert_usage(session, [replace(record(mine, 7), quantities=consumed)])
            shown = usage_to_json((await list_usage(session, account_id=mine, limit=1))[0])
        assert {meter: shown[meter] for meter in METERS} == {
            "input_tokens": 7,
            "cached_input_tokens": 2,
            "output_tokens": 3,
            "rows": 4,
            "images": 5,
            "adaptation_seconds": 600,
            "readings": 8,
        }
