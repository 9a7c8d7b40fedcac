"""The periodic check: windows, one alert per level until it falls back, and metrics."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from billing.notifications.alert_targets import update_alert_target
from gateway.drift.check import DriftCheck, count_levels
from gateway.drift.counts import WINDOW, add_counts, read_window
from gateway.worker import model_checks
from infra.database.database import Database
from infra.independent_steps import StepsFailed
from tests.support.billing.making import sql
from tests.support.billing.notifying import event_payloads
from tests.support.clocks import ShiftedClock
from tests.support.gateway.customers import Customer
from tests.support.gateway.drift_references import REFERENCE, adapted, counts
from tests.support.nightly import nightly


class Watched:
    """A customer's model whose calls are counted at any time."""

    def __init__(self, customer: Customer, variant_id: UUID) -> None:
        self.customer = customer
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


async def damage(database: Database, variant_id: UUID) -> None:
    """Make the drift of a version impossible to tell."""
    statement = "update variant_drift set reference = '{}' where variant_id = :id"
    async with database.transaction() as session:
        await session.execute(text(statement), {"id": variant_id})


@nightly
async def test_version_that_cannot_be_checked_keeps_no_other_from_being_checked(
    watched: Watched,
) -> None:
    await watched.call(700)
    damaged, database = watched.variant_id, watched.database
    await damage(database, damaged)
    await watched.customer.adapts(suffix="line-4")
    query = "select variant_id from variant_drift where variant_id > :id"
    watched.variant_id = (await sql(database, query, id=damaged))[0].variant_id
    watched.clock.to(watched.clock.now() + WINDOW)
    await watched.call(1_000, shift=8, later=1)
    async with database.transaction() as session:
        counted = {(watched.account_id, damaged): dict(enumerate(counts(10)))}
        await add_counts(session, watched.clock.now(), counted)
    with capture_logs() as logs, pytest.raises(StepsFailed):
        await watched.check()
    assert str(damaged) in logs[0]["step"]
    assert [one["data"]["level"] for one in await watched.sent()] == ["moderate"]
    # The counts of the first call are older than any window.
    assert len(await sql(database, "select 1 from variant_count")) == 2


async def test_promises_are_checked_after_drift_could_not_be(watched: Watched) -> None:
    now = await watched.call(1_000)
    await damage(watched.database, watched.variant_id)
    statement = text("""
        insert into observation (account_id, request_id, "row", variant_id, predicted_class,
            observed_class, machine, predicted_at, created_at)
        values (:account, gen_random_uuid(), 0, :variant, 'ok', 'ok', '', :now, :now)
    """)
    values = {"account": watched.account_id, "variant": watched.variant_id, "now": now}
    async with watched.database.transaction() as session:
        await session.execute(statement, values)
    with capture_logs(), pytest.raises(StepsFailed):
        await model_checks(watched.database)()
    checked = await sql(watched.database, "select variant_id from variant_promise")
    assert [row.variant_id for row in checked] == [watched.variant_id]
