"""Covered cost: spending rows whose units a plan includes completely or in part."""

from datetime import datetime

import pytest

from billing.reports.model_usage import load_usage_by_model
from billing.reports.spending import (
    SpendingDimension,
    SpendingRow,
    list_spending,
    list_spending_by_tag,
    merge_by_model,
)
from billing.subscriptions.periods import ensure_period_at
from billing.tables import Settlement
from infra.database.database import Database
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

# 100,000 output tokens at 0.002 are 200.00 of list price; the plan includes 310,000 of them.
TOKEN = 2_000


@pytest.fixture
async def firm(database: Database) -> Firm:
    """A firm with included output tokens, some charged ones, and rows that are not included."""
    story = Story(database)
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    at = story.clock.at
    await covered(firm, at(2026, 10, 2, 9), 1_000, 1_000, order="A")
    await covered(firm, at(2026, 10, 3, 9), 1_000, 400, order="B")
    await firm.use("vib", at(2026, 10, 4, 9), {"order": "C"}, rows=3)
    fault = Settlement.PLATFORM_FAULT
    await firm.use("llm", at(2026, 10, 4, 9), settlement=fault, output_tokens=50)
    story.clock.set(2026, 10, 5)
    await story.counts()
    return firm


async def covered(firm: Firm, at: datetime, tokens: int, of_them: int, **tags: str) -> None:
    """Record a call with `of_them` tokens covered by the plan."""
    saved = of_them * TOKEN
    await firm.use("llm", at, tags, output_tokens=tokens, saved_nano=saved)


async def spent(firm: Firm, by: SpendingDimension, *, by_model: bool = False) -> list[SpendingRow]:
    async with firm.story.database.transaction() as session:
        period = await ensure_period_at(session, firm.account.id, firm.story.clock.now())
        return await list_spending(session, firm.account.id, period, by, by_model=by_model)


class TestCoveredSpending:
    async def test_daily_rows_separate_charged_and_covered_cost(self, firm: Firm) -> None:
        days = await spent(firm, SpendingDimension.DAY)
        assert [(one.cost_nano, one.covered_nano, one.included) for one in days] == [
            (0, 1_000 * TOKEN, True),
            (600 * TOKEN, 400 * TOKEN, False),
            (3_000_000, 0, False),
        ]

    async def test_merging_by_model_sums_covered_cost_over_days(self, firm: Firm) -> None:
        models = merge_by_model(await spent(firm, SpendingDimension.DAY, by_model=True))
        assert [(one.value, one.cost_nano, one.covered_nano) for one in models] == [
            ("vib", 3_000_000, 0),
            ("llm", 600 * TOKEN, 1_400 * TOKEN),
        ]

    async def test_unbilled_settlements_have_no_covered_cost(self, firm: Firm) -> None:
        found = {
            one.value: one.covered_nano for one in await spent(firm, SpendingDimension.SETTLEMENT)
        }
        assert found == {"complete": 1_400 * TOKEN, "platform_fault": 0}

    async def test_row_per_key_has_covered_cost(self, firm: Firm) -> None:
        (one,) = await spent(firm, SpendingDimension.KEY)
        assert one.covered_nano == 1_400 * TOKEN

    async def test_rows_per_tag_value_have_covered_cost(self, firm: Firm) -> None:
        async with firm.story.database.transaction() as session:
            period = await ensure_period_at(session, firm.account.id, firm.story.clock.now())
            rows = await list_spending_by_tag(session, firm.account.id, period, "order")
        assert {one.value: (one.covered_nano, one.included) for one in rows} == {
            "A": (1_000 * TOKEN, True),
            "B": (400 * TOKEN, False),
            "C": (0, False),
        }


class TestCoveredModelUsage:
    async def test_covered_cost_per_model_is_grouped_by_currency(self, firm: Firm) -> None:
        async with firm.story.database.transaction() as session:
            found = await load_usage_by_model(session, firm.story.clock.at(2026, 10, 1))
        assert found["llm"].costs == {"CNY": 600 * TOKEN}
        assert found["llm"].covered == {"CNY": 1_400 * TOKEN}
        assert found["vib"].covered == {"CNY": 0}
