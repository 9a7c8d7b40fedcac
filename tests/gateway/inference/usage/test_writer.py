"""Usage writer: rows are durable before the response, and an unavailable database loses no row."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.metering.usage import insert_usage
from billing.metering.usage_log import SignedDecision
from billing.tables import Settlement
from gateway.call.errors import MeteringUnavailable
from gateway.inference.usage.writer import UsageWriter
from infra import ids
from infra.database.database import Database, DatabaseUnavailable
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import declare_metrics
from tests.gateway.inference.usage.records import record
from tests.support.builders import Gateway


class TestUsageWriter:
    async def test_concurrent_rows_are_committed_in_batches(self, gateway: Gateway) -> None:
        rows = [record(gateway) for _ in range(500)]
        await asyncio.gather(*(gateway.parts.writer.write(row) for row in rows))
        assert len(await gateway.rows(500)) == 500
        commits = gateway.parts.metrics.registry.get_sample_value("maas_settle_batch_rows_count")
        assert commits is not None
        assert commits < 20

    async def test_repeated_request_id_writes_one_row(self, gateway: Gateway) -> None:
        row = record(gateway)
        await gateway.parts.writer.write(row)
        await gateway.parts.writer.write(dataclasses.replace(row, cost_nano=7))
        assert (await gateway.row())["cost"] == "0.000000500"

    async def test_row_that_cannot_be_encoded_does_not_affect_other_rows(
        self, gateway: Gateway
    ) -> None:
        good, bad = record(gateway), record(gateway, tags={"order": object()})
        answers = await asyncio.gather(
            *(gateway.parts.writer.write(row) for row in (bad, good)), return_exceptions=True
        )
        assert isinstance(answers[0], MeteringUnavailable)
        assert answers[1] is None
        await gateway.parts.writer.write(record(gateway))
        assert len(await gateway.rows(2)) == 2

    async def test_failing_log_does_not_stop_writer(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when the reader of the process's output has exited."""
        writer = gateway.parts.writer
        monkeypatch.setattr(writer, "_log", object())
        with pytest.raises(MeteringUnavailable):
            await writer.write(record(gateway, tags={"order": object()}))
        await writer.write(record(gateway))
        assert len(await gateway.rows(1)) == 1

    async def test_row_rejected_by_database_does_not_affect_other_rows(
        self, gateway: Gateway
    ) -> None:
        good, bad = record(gateway), record(gateway, cost_nano=-1)
        answers = await asyncio.gather(
            gateway.parts.writer.write(good),
            gateway.parts.writer.write(bad),
            return_exceptions=True,
        )
        assert answers[0] is None
        assert isinstance(answers[1], MeteringUnavailable)
        rows = {row["request_id"]: row for row in await gateway.rows(2)}
        assert rows[ids.format_id("req", good.request_id)]["settlement"] == "complete"
        # The rejected one is written once more, unbilled.
        unbilled = rows[ids.format_id("req", bad.request_id)]
        assert (unbilled["settlement"], unbilled["cost"]) == ("platform_fault", "0.000000000")

    async def test_answer_that_was_withheld_leaves_no_decision_record(
        self, gateway: Gateway
    ) -> None:
        """As when the commit takes longer than a client waits."""
        writer, row = gateway.parts.writer, record(gateway)
        now = datetime.now(UTC)
        decision = SignedDecision(
            ids.new_id(), gateway.account.id, row.request_id, "mill", "yes", "{}", "c2ln", "k", now
        )
        usage = writer.enqueue(row, decisions=(decision,))
        assert usage is not None
        usage.fail()
        assert (await gateway.row())["settlement"] == "platform_fault"
        async with gateway.parts.database.transaction() as session:
            found = await session.execute(text("select 1 from decision_record"))
        assert found.all() == []

    async def test_unauthenticated_calls_over_queue_limit_are_dropped(
        self, gateway: Gateway
    ) -> None:
        metrics = declare_metrics()
        parts = gateway.parts
        writer = UsageWriter(  # never started
            parts.connections.records,
            parts.heartbeat,
            parts.quota_leaser,
            parts.clock,
            metrics,
            1.0,
        )
        stranger = record(
            gateway, account_id=None, key_id=None, cost_nano=0, settlement=Settlement.REFUSED
        )
        for _ in range(6000):
            writer.enqueue(stranger)
        dropped = metrics.registry.get_sample_value("maas_refusals_unrecorded_total")
        assert dropped == 6000 - 5001


class TestDatabaseOutage:
    async def test_calls_return_503_during_outage_and_200_afterwards(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert (await gateway.chat("before")).status_code == 200
        # The key of the first call is trusted, however long ago a busy machine read changes.
        gateway.parts.authenticator._epoch_read_at = gateway.parts.clock.monotonic()
        with monkeypatch.context() as outage:
            outage.setattr(Database, "transaction", _unavailable)
            outage.setattr(DirectConnection, "statement", _unavailable)
            answers = [await gateway.chat("during") for _ in range(3)]
            await asyncio.sleep(1.0)  # longer than keys are trusted without the database
            late = await gateway.chat("during")
        assert [answer.status_code for answer in (*answers, late)] == [503] * 4
        assert answers[0].json()["error"]["code"] == "metering_unavailable"
        tries = 1
        async with asyncio.timeout(20):
            while (await gateway.chat("after")).status_code != 200:
                tries += 1
                await asyncio.sleep(0.1)
        rows = {row["settlement"]: row for row in await gateway.rows(5 + tries)}
        assert set(rows) == {"complete", "platform_fault"}
        assert rows["platform_fault"]["cost"] == "0.000000000"


def _unavailable(*_: object) -> object:
    raise DatabaseUnavailable


class TestUsageTable:
    async def test_usage_row_cannot_be_updated_or_deleted(self, gateway: Gateway) -> None:
        await gateway.parts.writer.write(record(gateway))
        for statement in ("update usage set cost_nano = 0", "delete from usage"):
            with pytest.raises(DBAPIError, match="never changed"):
                async with gateway.parts.database.transaction() as session:
                    await session.execute(text(statement))
        assert (await gateway.row())["cost"] == "0.000000500"

    async def test_cost_of_unbilled_settlement_is_rejected_by_check_constraint(
        self, gateway: Gateway
    ) -> None:
        row = record(gateway)
        object.__setattr__(row, "settlement", Settlement.REFUSED)
        with pytest.raises(DBAPIError, match="ck_usage_billable"):
            async with gateway.parts.database.transaction() as session:
                await insert_usage(session, [row])
