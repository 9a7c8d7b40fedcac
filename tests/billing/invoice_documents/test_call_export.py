"""CSV export of calls: paged, filtered and limited to one account."""

import csv
import io
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from billing.invoice_documents.billed_call import BILLED_CALLS, CallFilter
from billing.invoice_documents.billed_call_query import (
    MAX_TAG_COLUMNS,
    CallSelection,
    list_tag_names,
)
from billing.invoice_documents.call_export import stream_calls_csv
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from billing.metering.usage import UsageRecord, insert_usage
from billing.rating.quantities import Quantities
from billing.subscriptions.periods import ensure_period_at
from billing.tables import Settlement
from infra import ids
from infra.database.database import Database
from tests.support.stories.story import Firm, Story

SHEET = CallCsvFormat("CNY", ZoneInfo("Asia/Shanghai"), ("order",))
EVERY = CallFilter(billed=False)


@pytest.fixture
async def firm(database: Database) -> Firm:
    """Five calls: one was rejected, one started in the previous month and one has a tag."""
    story = Story(database)
    firm = await story.firm()
    await firm.use("llm", story.clock.at(2026, 9, 30), output_tokens=1)
    story.clock.set(2026, 10, 5, 12)
    await firm.use("llm", output_tokens=2, tags={"order": "A-17"})
    await firm.use("vib", rows=3)
    await firm.use("llm", settlement=Settlement.REFUSED)
    story.clock.set(2026, 10, 6, 12)
    await firm.use("llm", output_tokens=5)
    await story.counts()
    return firm


async def rows(firm: Firm, only: CallFilter) -> list[dict[str, str]]:
    database, now = firm.story.database, firm.story.clock.now()
    async with database.transaction() as session:
        period = await ensure_period_at(session, firm.account.id, now)
    selected = CallSelection(period.id, call_filter=only)
    parts = [
        part
        async for part in stream_calls_csv(database, firm.account.id, selected, SHEET, page_size=2)
    ]
    assert len(parts) >= 1
    return read(parts)


def read(parts: list[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(parts).decode("utf-8-sig"))))


def usage(account_id: UUID, code: str, status: int) -> UsageRecord:
    """A call of 5 October that ended with an error."""
    return UsageRecord(
        request_id=ids.new_id(),
        account_id=account_id,
        key_id=None,
        operation="chat",
        model=None,
        streamed=False,
        settlement=Settlement.REFUSED,
        status=status,
        error_code=code,
        quantities=Quantities(),
        cost_nano=0,
        currency=None,
        started_at=datetime(2026, 10, 5, tzinfo=UTC),
        duration_us=1,
        first_chunk_us=None,
    )


def units(found: list[dict[str, str]]) -> list[str]:
    return [row["output_tokens"] or row["rows"] for row in found]


async def test_export_contains_only_billed_calls_by_default(firm: Firm) -> None:
    assert units(await rows(firm, BILLED_CALLS)) == ["1", "2", "3", "5"]
    found = await rows(firm, EVERY)
    assert [row["settlement"] for row in found].count("refused") == 1
    assert len(found) == 5


async def test_export_filters_by_one_or_any_error_code(firm: Firm) -> None:
    async with firm.story.database.transaction() as session:
        wrong = usage(firm.account.id, "model_not_found", 404)
        await insert_usage(session, [wrong, usage(firm.account.id, "model_failed", 502)])
    await firm.story.counts()
    one = CallFilter(billed=False, error_code="model_not_found")
    assert [row["error_code"] for row in await rows(firm, one)] == ["model_not_found"]
    every = CallFilter(billed=False, error_code="any")
    found = {row["error_code"] for row in await rows(firm, every)}
    assert found == {"model_not_found", "model_failed"}


async def test_export_without_period_includes_unaggregated_calls(firm: Firm) -> None:
    await firm.use("llm", output_tokens=9)
    database = firm.story.database
    for selected, expected in [
        (CallSelection(None), ["1", "2", "3", "5", "9"]),
        (CallSelection(None, call_filter=CallFilter(model="vib")), ["3"]),
    ]:
        parts = [
            part async for part in stream_calls_csv(database, firm.account.id, selected, SHEET, 2)
        ]
        assert units(read(parts)) == expected
    assert (
        read([part async for part in stream_calls_csv(database, ids.new_id(), selected, SHEET)])
        == []
    )


async def test_export_filters_by_model(firm: Firm) -> None:
    assert units(await rows(firm, CallFilter(model="vib"))) == ["3"]


async def test_export_filters_by_key(firm: Firm) -> None:
    assert await rows(firm, CallFilter(key_id=ids.new_id())) == []


async def test_export_of_one_day_excludes_calls_of_earlier_periods(firm: Firm) -> None:
    since = firm.story.clock.at(2026, 10, 5)
    only = CallFilter(since=since, until=since + timedelta(days=1))
    assert units(await rows(firm, only)) == ["2", "3"]
    before = since - timedelta(days=30)
    only = CallFilter(since=before, until=since)
    assert units(await rows(firm, only)) == []


async def test_export_without_selection_is_only_the_header(firm: Firm) -> None:
    database = firm.story.database
    parts = [part async for part in stream_calls_csv(database, firm.account.id, None, SHEET)]
    assert parts == [SHEET.header()]


async def test_tag_names_are_sorted_and_limited(firm: Firm) -> None:
    story = firm.story
    for at in range(MAX_TAG_COLUMNS // 2):
        await firm.use("llm", output_tokens=1, tags={f"b{at:03}": "x", f"a{at:03}": "x"})
    await story.counts()
    async with story.database.transaction() as session:
        period = await ensure_period_at(session, firm.account.id, story.clock.now())
        names = await list_tag_names(session, firm.account.id, period.id)
        assert await list_tag_names(session, ids.new_id(), period.id) == ()
    assert list(names) == sorted(names)
    assert len(names) == MAX_TAG_COLUMNS
    assert "order" not in names
