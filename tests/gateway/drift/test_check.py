"""The periodic check: windows, one alert per level until it falls back, and metrics."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from billing.notifications.alert_targets import update_alert_target
from gateway.drift.check import DriftCheck, count_levels
from gateway.drift.counts import WINDOW, add_counts, read_window
from infra.database.database import Database
from tests.support.billing.notifying import event_payloads
from tests.support.clocks import ShiftedClock
from tests.support.gateway.customers import Customer
from tests.support.gateway.drift_references import REFERENCE, adapted, counts


class Watched:
    """A customer's model whose calls are counted at any time."""

    def __init__(self, customer: Customer, variant_id: UUID) -> None:
        self.database: Database = customer.gateway.parts.database
        self.account_id = customer.gateway.account.id
        self.variant_id = variant_id
        self.clock = ShiftedClock()

    async def call(self, rows: int, shift: float = 0.0, *, later: float = 0.0) -> datetime:
        """Count so many rows, some hours later."""
        self.clock.to(self.clock.now() + timedelta(hours=later))
        of_slots = dict(enumerate(counts(rows, shift)))
        async with self.database.transaction() as session:
            now = self.clock.now()
            await add_counts(session, now, {(self.account_id, self.variant_id): of_slots})
        return now

    async def check(self) -> list[str]:
        """Run the check; returns the levels of all webhooks so far, in order."""
        await DriftCheck(self.database, self.clock)()
        return [item["data"]["level"] for item in await self.sent()]

    async def sent(self) -> list[dict[str, Any]]:
        return await event_payloads(self.database)


@pytest.fixture
async def watched(customer: Customer) -> Watched:
    await adapted(customer)
    database = customer.gateway.parts.database
    async with database.transaction() as session:
        found = await session.execute(text("select variant_id from variant_drift"))
        variant_id = found.scalars().one()
        account_id = customer.gateway.account.id
        await update_alert_target(session, account_id, "https://acme.example/hook")
        statement = text(
            "update billing_profile set email = 'a@acme.example' where account_id = :a"
        )
        await session.execute(statement, {"a": account_id})
    return Watched(customer, variant_id)


async def test_risen_level_is_told_once_and_again_after_it_fell_back(watched: Watched) -> None:
    await watched.call(1_000)
    assert await watched.check() == []
    await watched.call(1_000, shift=8, later=2)
    assert await watched.check() == ["moderate"]
    await watched.call(50, shift=8)
    assert await watched.check() == ["moderate"]
    await watched.call(1_000, shift=60, later=2)
    assert await watched.check() == ["moderate", "significant"]
    await watched.call(1_000, later=2)
    assert await watched.check() == ["moderate", "significant"]
    await watched.call(1_000, shift=60, later=2)
    assert await watched.check() == ["moderate", "significant", "significant"]
    (event, *_) = await watched.sent()
    assert event["type"] == "model.drift_detected"
    assert event["data"]["variable"] == "pressure"
    async with watched.database.transaction() as session:
        assert await count_levels(session) == {"significant": 1}


async def test_too_few_rows_leave_the_level_unknown(watched: Watched) -> None:
    await watched.call(150, shift=60)
    assert await watched.check() == []
    async with watched.database.transaction() as session:
        assert await count_levels(session) == {}


async def test_window_has_the_last_hours_with_enough_rows_of_seven_days(watched: Watched) -> None:
    await watched.call(700, shift=60)
    since = await watched.call(700, later=30)
    await watched.call(600, later=3)

    async def window() -> Any:
        async with watched.database.transaction() as session:
            return await read_window(
                session, watched.account_id, watched.variant_id, REFERENCE, watched.clock.now()
            )

    found = await window()
    assert found.rows == 1_300
    assert found.since == since.replace(minute=0, second=0, microsecond=0)
    watched.clock.to(watched.clock.now() + WINDOW + timedelta(hours=1))
    assert (await window()).rows == 0
    await watched.check()
    async with watched.database.transaction() as session:
        left = await session.execute(text("select count(*) from variant_count"))
    assert left.scalar_one() == 0
