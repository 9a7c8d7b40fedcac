"""Token counts of engines compared with usage rows: bounds, and calls that explain a surplus."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from billing.accounts.accounts import create_account
from billing.metering.usage import UsageRecord, insert_usage
from billing.rating.quantities import Quantities
from billing.reconciliation.usage_and_quotas import (
    EngineComparison,
    EngineCount,
    RecordedUsage,
    TokenTotals,
    compare_engine,
    compare_engines,
    load_recorded_tokens,
)
from billing.tables import Settlement
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
LATER = START + timedelta(minutes=1)
MODEL = "m"


def count(generated: int, prompt: int = 1000, **values: Any) -> EngineCount:
    return EngineCount(
        **{
            "model": MODEL,
            "prompt_tokens": prompt,
            "generated_tokens": generated,
            "first_start": START,
            "last_start": START,
            **values,
        }
    )


def recorded(output: int, prompt: int = 10, *, after: int = 0, **early: int) -> RecordedUsage:
    """`output` tokens recorded before the engine was read, and `after` more afterwards."""
    return RecordedUsage(
        TokenTotals(prompt, output), output + after, **{"aborted": 0, "unmeasured": 0, **early}
    )


class TestEngineComparison:
    """Comparison of one engine count with recorded usage, without a database."""

    @pytest.mark.parametrize("generated", [100, 103, 105])
    def test_count_between_both_readings_has_no_difference(self, generated: int) -> None:
        found = compare_engine(count(generated), recorded(100, after=5))
        assert found == EngineComparison(MODEL, generated, 105, 0, 0, ())

    def test_recorded_output_above_the_engine_count_is_reported(self) -> None:
        (found,) = compare_engine(count(99), recorded(100)).differences
        assert found.check == "Engine counts cover the usage rows"
        assert (found.subject, found.recorded, found.expected) == (MODEL, 100, 99)

    def test_early_ended_calls_do_not_explain_missing_engine_tokens(self) -> None:
        assert compare_engine(count(99), recorded(100, unmeasured=9, aborted=9)).differences

    def test_recorded_prompt_above_the_engine_count_is_reported(self) -> None:
        (found,) = compare_engine(count(100, prompt=9), recorded(100, prompt=10)).differences
        assert (found.recorded, found.expected) == (10, 9)

    def test_prompt_read_several_times_is_not_reported(self) -> None:
        """A call with several choices reads its prompt once per choice and is billed for one."""
        assert not compare_engine(count(100, prompt=30), recorded(100, prompt=10)).differences

    def test_generated_tokens_above_the_usage_rows_are_reported(self) -> None:
        found = compare_engine(count(106), recorded(100, after=5))
        (difference,) = found.differences
        assert difference.check == "Usage rows cover what the engine generated"
        assert (difference.recorded, difference.expected) == (105, 106)
        assert (found.generated_unbilled, found.explained_by) == (1, 0)

    @pytest.mark.parametrize(
        ("aborted", "unmeasured", "overrun", "explained"),
        [
            (1, 0, 3, True),
            (1, 0, 256, True),
            (1, 0, 257, False),
            (2, 0, 512, True),
            (0, 1, 1_000_000, True),
            (3, 1, 1_000_000, True),
            (0, 0, 1, False),
        ],
    )
    def test_aborted_and_unmeasured_calls_explain_unbilled_tokens(
        self, aborted: int, unmeasured: int, overrun: int, explained: bool
    ) -> None:
        """An aborted stream explains a few tokens, an unmeasured call any number."""
        found = compare_engine(
            count(100 + overrun), recorded(100, aborted=aborted, unmeasured=unmeasured)
        )
        assert bool(found.differences) is not explained
        assert (found.generated_unbilled, found.explained_by) == (overrun, aborted + unmeasured)


def record(account_id: UUID, output: int | None, **values: Any) -> UsageRecord:
    return UsageRecord(
        **{
            "request_id": ids.new_id(),
            "account_id": account_id,
            "key_id": None,
            "operation": "chat",
            "model": MODEL,
            "streamed": False,
            "settlement": Settlement.COMPLETE,
            "status": 200,
            "error_code": None,
            "quantities": Quantities(output and 2 * output, None, output),
            "cost_nano": 0,
            "currency": "CNY",
            "started_at": LATER,
            "duration_us": 1000,
            "first_chunk_us": None,
            **values,
        }
    )


class Calls:
    """Adds usage rows to the database and compares them with engine counts."""

    def __init__(self, database: Database, account_id: UUID) -> None:
        self.database = database
        self._account_id = account_id

    async def add(self, output: int | None, **values: Any) -> None:
        async with self.database.transaction() as session:
            await insert_usage(session, [record(self._account_id, output, **values)])

    async def open(self) -> None:
        async with self.database.transaction() as session:
            statement = text(
                "insert into intent (request_id, process_id, account_id, key_id, operation, model,"
                " streamed, held_nano, currency, started_at)"
                " values (:id, :id, :id, :id, 'chat', :model, false, 0, 'CNY', :start)"
            )
            values = {"id": ids.new_id(), "model": MODEL, "start": LATER}
            await session.execute(statement, values)

    async def before(self) -> dict[str, TokenTotals]:
        async with self.database.transaction() as session:
            return await load_recorded_tokens(session)

    async def compare(
        self,
        engine: EngineCount,
        before: dict[str, TokenTotals] | None = None,
        adapters: Sequence[str] = (),
    ) -> EngineComparison:
        before = await self.before() if before is None else before
        async with self.database.transaction() as session:
            (compared,) = await compare_engines(session, [engine], before, {MODEL: adapters})
        return compared


@pytest.fixture
async def calls(database: Database) -> Calls:
    async with database.transaction() as session:
        account = await create_account(session, SystemClock(), "A", "CNY")
    return Calls(database, account.id)


class TestRecordedUsageComparison:
    """Comparison of engine counts with usage rows in the database."""

    async def test_empty_usage_and_zero_count_have_no_difference(self, calls: Calls) -> None:
        assert await calls.compare(count(0, prompt=0)) == EngineComparison(MODEL, 0, 0, 0, 0, ())

    async def test_usage_of_adapters_is_added_to_the_engine_model(self, calls: Calls) -> None:
        await calls.add(100)
        await calls.add(30, model="plant")
        assert (await calls.compare(count(130, prompt=260))).differences != ()
        found = await calls.compare(count(130, prompt=260), adapters=["plant"])
        assert (found.recorded, found.differences) == (130, ())

    async def test_all_settlements_of_the_model_are_summed(self, calls: Calls) -> None:
        await calls.add(100)
        await calls.add(5, settlement=Settlement.CLIENT_ABORT)
        await calls.add(7, settlement=Settlement.PLATFORM_FAULT)
        await calls.add(3, settlement=Settlement.WAIVED)
        await calls.add(1000, model="another")
        found = await calls.compare(count(115, prompt=230))
        assert found == EngineComparison(MODEL, 115, 115, 0, 0, ())

    async def test_calls_that_a_provider_answered_are_left_out(self, calls: Calls) -> None:
        await calls.add(100, upstream="own")
        await calls.add(50, upstream="provider")
        found = await calls.compare(count(100, prompt=200))
        assert (found.recorded, found.differences) == (100, ())

    async def test_additional_usage_row_is_reported(self, calls: Calls) -> None:
        await calls.add(100)
        await calls.add(1)
        found = await calls.compare(count(100, prompt=202))
        assert [(one.recorded, one.expected) for one in found.differences] == [(101, 100)]

    async def test_calls_ended_between_the_readings_are_tolerated(self, calls: Calls) -> None:
        """The engine was read between both readings and may or may not have counted the calls."""
        await calls.add(100)
        before = await calls.before()
        await calls.add(50)
        for generated in (100, 120, 150):
            assert not (await calls.compare(count(generated), before)).differences
        assert (await calls.compare(count(99), before)).differences
        assert (await calls.compare(count(151), before)).differences

    async def test_calls_before_the_engine_start_are_ignored(self, calls: Calls) -> None:
        await calls.add(1000, started_at=START - timedelta(hours=1))
        await calls.add(100)
        assert not (await calls.compare(count(100))).differences

    async def test_call_that_spans_the_engine_start_may_or_may_not_be_counted(
        self, calls: Calls
    ) -> None:
        """The call started before the engine, so an earlier engine may have answered it."""
        await calls.add(30, started_at=START - timedelta(seconds=5), duration_us=20_000_000)
        for generated in (0, 30):
            assert not (await calls.compare(count(generated, prompt=0))).differences
        assert (await calls.compare(count(31))).differences

    async def test_calls_between_first_and_last_engine_start_may_or_may_not_be_counted(
        self, calls: Calls
    ) -> None:
        await calls.add(40, started_at=START + timedelta(seconds=10))  # may be lost with an engine
        await calls.add(60, started_at=LATER + timedelta(seconds=10))
        for generated in (60, 100):
            assert not (await calls.compare(count(generated, last_start=LATER))).differences
        for generated in (59, 101):
            assert (await calls.compare(count(generated, last_start=LATER))).differences

    @pytest.mark.parametrize(
        ("output", "values"),
        [
            (None, {"settlement": Settlement.UNKNOWN}),
            (None, {"settlement": Settlement.CLIENT_ABORT}),
            (None, {"settlement": Settlement.PLATFORM_FAULT}),
            (None, {"settlement": Settlement.WAIVED, "error_code": "client_closed_request"}),
            (5, {"settlement": Settlement.CLIENT_ABORT, "streamed": True}),
            (5, {"settlement": Settlement.PLATFORM_FAULT, "streamed": True}),
            (5, {"streamed": True, "error_code": "hold_exceeded"}),
        ],
    )
    async def test_early_ended_call_explains_unbilled_tokens(
        self, calls: Calls, output: int | None, values: dict[str, Any]
    ) -> None:
        await calls.add(output, **values)
        found = await calls.compare(count((output or 0) + 3))
        assert (found.generated_unbilled, found.explained_by, found.differences) == (3, 1, ())

    @pytest.mark.parametrize("code", ["cut_at_limit", "hold_exceeded"])
    async def test_stream_cut_by_the_gateway_explains_any_number_of_tokens(
        self, calls: Calls, code: str
    ) -> None:
        """The chunk that was not forwarded may contain thousands of tokens."""
        await calls.add(5, streamed=True, error_code=code)
        found = await calls.compare(count(4_005))
        assert (found.generated_unbilled, found.explained_by, found.differences) == (4_000, 1, ())

    @pytest.mark.parametrize(
        ("output", "values"),
        [
            (5, {}),
            (5, {"streamed": True}),
            (5, {"settlement": Settlement.WAIVED}),
            (None, {"settlement": Settlement.REFUSED}),
            (None, {"settlement": Settlement.REPLAYED}),
            (None, {"settlement": Settlement.UNKNOWN, "model": "another"}),
            (None, {"settlement": Settlement.UNKNOWN, "started_at": START - timedelta(hours=1)}),
        ],
    )
    async def test_completed_rejected_or_unrelated_call_explains_no_tokens(
        self, calls: Calls, output: int | None, values: dict[str, Any]
    ) -> None:
        await calls.add(output, **values)
        found = await calls.compare(count((output or 0) + 3))
        assert (len(found.differences), found.explained_by) == (1, 0)

    async def test_open_call_explains_its_generated_tokens(self, calls: Calls) -> None:
        await calls.open()
        found = await calls.compare(count(3))
        assert (found.generated_unbilled, found.explained_by, found.differences) == (3, 1, ())
