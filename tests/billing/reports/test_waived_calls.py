"""Calls at the operator's expense in reports: a cost of the operator, nothing for the customer."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.invoice_documents.billed_call import BILLED_CALLS, CallFilter
from billing.invoice_documents.billed_call_query import CallSelection
from billing.invoice_documents.call_export import stream_calls_csv
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from billing.metering.usage import UsageRecord
from billing.metering.usage_buckets import BucketWidth, UsageBucketQuery, list_usage_buckets
from billing.reports.call_cost import get_call_cost
from billing.reports.margin import Margin, MarginDimension, MarginFilter, list_margins
from billing.reports.model_usage import load_usage_by_model
from billing.reports.revenue import load_uninvoiced_usage
from billing.reports.spending import (
    SpendingDimension,
    list_spending,
    list_spending_by_tag,
)
from billing.subscriptions.periods import ensure_period_at
from billing.tables import BillingPeriod, Settlement
from tests.support.stories.story import Firm, Story

ZONE = ZoneInfo("Asia/Shanghai")
TAGS = {"machine": "CNC-01"}
# 100 tokens at 500 nano-units and 7 at 2,000.
CHARGE = 64_000
WAIVED = Settlement.WAIVED


@pytest.fixture
async def firm(story: Story) -> Firm:
    """On 12 October a call that an upstream answered, and two that corrected it: one that the
    upstream answered, and one of an own server whose client left."""
    firm = await story.firm("A")
    story.clock.set(2026, 10, 12, 10)
    answered = {"upstream": "p", "upstream_cost_nano": 1_000, "tags": TAGS}
    await firm.use("llm", input_tokens=100, output_tokens=7, **answered)
    answered["upstream_cost_nano"] = 1_500
    await firm.use("llm", settlement=WAIVED, input_tokens=120, output_tokens=9, **answered)
    await firm.use("llm", settlement=WAIVED, operation="chat", tags=TAGS)
    await story.counts()
    return firm


async def period_of(firm: Firm) -> BillingPeriod:
    async with firm.story.database.transaction() as session:
        return await ensure_period_at(session, firm.account.id, firm.story.clock.now())


async def margins(firm: Firm, by: MarginDimension) -> list[Margin]:
    at = firm.story.clock.at
    chosen = MarginFilter(at(2026, 10, 1), at(2026, 11, 1))
    async with firm.story.database.transaction() as session:
        return await list_margins(session, by, chosen, ZONE)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        (MarginDimension.MODEL, "llm"),
        (MarginDimension.ACCOUNT, "A"),
        (MarginDimension.MONTH, "2026-10"),
    ],
)
async def test_margin_has_the_cost_of_waived_calls_and_no_charge(
    firm: Firm, dimension: MarginDimension, value: str
) -> None:
    (found,) = await margins(firm, dimension)
    # Of the call whose client left, the cost is unknown, not zero.
    assert found == Margin(value, "CNY", 3, 1, CHARGE, 0, 2_500)
    assert found.margin_nano == CHARGE - 2_500


async def test_waived_call_without_an_answer_is_of_no_recorded_upstream(firm: Firm) -> None:
    by_upstream = {one.value: one for one in await margins(firm, MarginDimension.UPSTREAM)}
    assert (by_upstream["p"].calls, by_upstream["p"].known_cost_nano) == (2, 2_500)
    assert (by_upstream[""].calls, by_upstream[""].cost_nano) == (1, None)


@pytest.mark.parametrize(
    "dimension",
    [
        SpendingDimension.DAY,
        SpendingDimension.HOUR,
        SpendingDimension.MODEL,
        SpendingDimension.KEY,
    ],
)
async def test_spending_leaves_waived_calls_out(firm: Firm, dimension: SpendingDimension) -> None:
    period = await period_of(firm)
    async with firm.story.database.transaction() as session:
        (found,) = await list_spending(session, firm.account.id, period, dimension)
    assert (found.calls, found.quantities.output_tokens, found.cost_nano) == (1, 7, CHARGE)


async def test_spending_by_settlement_shows_waived_calls_without_cost(firm: Firm) -> None:
    period, by = await period_of(firm), SpendingDimension.SETTLEMENT
    async with firm.story.database.transaction() as session:
        found = await list_spending(session, firm.account.id, period, by)
    shown = {one.value: (one.calls, one.cost_nano, one.covered_nano) for one in found}
    assert shown == {"complete": (1, CHARGE, 0), "waived": (2, 0, 0)}


async def test_spending_by_tag_leaves_waived_calls_out(firm: Firm) -> None:
    period = await period_of(firm)
    async with firm.story.database.transaction() as session:
        (found,) = await list_spending_by_tag(session, firm.account.id, period, "machine")
    assert (found.calls, found.cost_nano) == (1, CHARGE)


async def test_usage_buckets_leave_waived_calls_out(firm: Firm) -> None:
    now = firm.story.clock.now()
    query = UsageBucketQuery(now - timedelta(days=1), now + timedelta(days=1), BucketWidth.DAY)
    async with firm.story.database.transaction() as session:
        (found,) = await list_usage_buckets(session, firm.account.id, query)
    assert (found.calls, found.input_tokens, found.output_tokens) == (1, 100, 7)
    assert found.cost_nano == CHARGE


async def test_usage_of_a_model_counts_waived_calls_but_only_billed_tokens(firm: Firm) -> None:
    since = firm.story.clock.now()
    async with firm.story.database.transaction() as session:
        found = (await load_usage_by_model(session, since))["llm"]
    assert (found.calls, found.faults, found.quantities.output_tokens) == (3, 0, 7)
    assert found.costs == {"CNY": CHARGE}


@pytest.mark.parametrize(
    ("only", "settlements"),
    [
        (BILLED_CALLS, ["complete"]),
        (CallFilter(billed=False), ["complete", "waived", "waived"]),
    ],
    ids=["billed", "all"],
)
async def test_export_lists_waived_calls_only_among_all_calls(
    firm: Firm, only: CallFilter, settlements: list[str]
) -> None:
    selection = CallSelection((await period_of(firm)).id, call_filter=only)
    sheet = CallCsvFormat("CNY", ZONE, ())
    place = firm.story.database, firm.account.id, selection, sheet
    lines = b"".join([part async for part in stream_calls_csv(*place)]).decode("utf-8-sig")
    header, *rows = (line.split(",") for line in lines.splitlines())
    assert sorted(row[header.index("settlement")] for row in rows) == settlements


async def test_waived_call_has_no_cost_breakdown(firm: Firm) -> None:
    record: UsageRecord = await firm.use("llm", settlement=WAIVED, output_tokens=9)
    async with firm.story.database.transaction() as session:
        found = await get_call_cost(session, firm.account.id, record.request_id)
    assert (found.parts, found.waived) == ((), 0)


async def test_invoice_and_records_know_no_charge_for_waived_calls(firm: Firm) -> None:
    async with firm.story.database.transaction() as session:
        assert await load_uninvoiced_usage(session) == {"CNY": CHARGE}
    await firm.story.until(2026, 11, 3)
    (invoice,) = await firm.invoices()
    assert [line[1:4] for line in await firm.lines(invoice) if line[1] == "llm"] == [
        ("llm", "input_tokens", 100),
        ("llm", "output_tokens", 7),
    ]
    assert await firm.story.differences() == ()
