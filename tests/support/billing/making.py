"""Creates accounts, processes and calls in the database for billing tests, without a gateway."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import AccountLimits, open_account
from billing.cycle import aggregate_and_refresh_credit, bill_accounts
from billing.metering.leases import LeaseChange, QuotaSnapshot, change_leases, register_process
from billing.metering.quotas import QuotaRef, find_call_quotas
from billing.metering.usage import UsageRecord, insert_usage
from billing.metering.usage_log import IntentRecord, QuotaCharge, SettledCall
from billing.rating.quantities import Quantities
from billing.reconciliation.usage_and_quotas import Difference, reconcile
from billing.tables import ApiKey, QuotaKind, Settlement
from infra import ids
from infra.clock import Clock, SystemClock
from infra.database.database import Database

CLOCK = SystemClock()
TERMS = AccountLimits(credit_nano=1000, requests=100, tokens=1000, streams=10)


@dataclass(frozen=True)
class Customer:
    """An account with one key, and the current quotas of its calls."""

    account_id: UUID
    key_id: UUID
    quotas: tuple[QuotaRef, ...]

    def quota(self, kind: QuotaKind) -> str:
        return next(quota.id for quota in self.quotas if quota.kind is kind)

    @property
    def payers(self) -> list[str]:
        return [quota.id for quota in self.quotas if quota.kind.money]


async def make_key(database: Database, account_id: UUID) -> UUID:
    key = ApiKey(
        id=ids.new_id(),
        account_id=account_id,
        name="test",
        hint="",
        hash=ids.new_id().bytes,
        created_at=CLOCK.now(),
    )
    async with database.transaction() as session:
        session.add(key)
    return key.id


async def customer(
    database: Database, terms: AccountLimits = TERMS, name: str = "Acme", at: datetime | None = None
) -> Customer:
    async with database.transaction() as session:
        account = await open_account(session, CLOCK, name, "CNY", terms)
    return await with_key(database, account.id, at)


async def with_key(database: Database, account_id: UUID, at: datetime | None = None) -> Customer:
    key_id = await make_key(database, account_id)
    async with database.transaction() as session:
        quotas = await find_call_quotas(session, account_id, key_id, at or CLOCK.now())
    return Customer(account_id, key_id, quotas)


async def process(database: Database, ttl_s: float = 3600) -> UUID:
    process_id = ids.new_id()
    async with database.transaction() as session:
        await register_process(session, process_id, "host", 1, ttl_s)
    return process_id


async def wish(
    database: Database, process_id: UUID, wishes: Mapping[str, LeaseChange]
) -> dict[str, QuotaSnapshot]:
    async with database.transaction() as session:
        return await change_leases(session, process_id, wishes)


async def borrow(database: Database, process_id: UUID, quota_id: str, units: int) -> QuotaSnapshot:
    """Borrow units; returns the lease afterwards, larger by the units or unchanged."""
    needs = {quota_id: LeaseChange(needs=((units, units),))}
    return (await wish(database, process_id, needs))[quota_id]


def record(of: Customer, **values: Any) -> UsageRecord:
    """The record of a call, with cost 0 unless given."""
    made = UsageRecord(
        request_id=ids.new_id(),
        account_id=of.account_id,
        key_id=of.key_id,
        operation="chat",
        model="m",
        streamed=False,
        settlement=Settlement.COMPLETE,
        status=200,
        error_code=None,
        quantities=Quantities(input_tokens=1),
        cost_nano=0,
        currency="CNY",
        started_at=datetime.now(UTC),
        duration_us=1,
        first_chunk_us=None,
    )
    return replace(made, **values)


def settled(of: Customer, cost: int, **values: Any) -> SettledCall:
    """A settled call that is charged to the account and the key."""
    charges = tuple(QuotaCharge(quota_id, cost) for quota_id in of.payers) if cost else ()
    return SettledCall(record(of, cost_nano=cost, **values), charges)


def intent(of: Customer, request_id: UUID | None = None) -> IntentRecord:
    return IntentRecord(
        request_id=request_id or ids.new_id(),
        account_id=of.account_id,
        key_id=of.key_id,
        operation="chat",
        model="m",
        streamed=True,
        held_nano=5,
        currency="CNY",
        started_at=datetime.now(UTC),
    )


def call(account_id: UUID, at: datetime, rows: int = 1, **values: Any) -> UsageRecord:
    """The record of a call of a number of rows at one nano-unit each, charged to no quota."""
    of = Customer(account_id, ids.new_id(), ())
    quantities = Quantities(rows=rows)
    usual = {"model": "vib", "quantities": quantities, "cost_nano": rows, "started_at": at}
    return record(of, **{"key_id": None, **usual, **values})


async def append(database: Database, *records: UsageRecord) -> None:
    async with database.transaction() as session:
        await insert_usage(session, records)


async def sql(database: Database, statement: str, **values: object) -> Sequence[Any]:
    """Run a statement and return its rows, for checks and for injected faults."""
    async with database.transaction() as session:
        result = await session.execute(text(statement), values)
        return result.all() if result.returns_rows else ()


async def differences(database: Database) -> tuple[Difference, ...]:
    async with database.transaction() as session:
        return (await reconcile(session)).differences


async def count_all_usage(database: Database, clock: Clock) -> None:
    """Aggregate all usage rows written by now.

    `aggregate_and_refresh_credit` leaves rows written beside a running transaction (vacuum too) to
    its next step, so it is repeated until the totals are past all transactions that have begun.
    """
    begun = (await sql(database, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))[
        0
    ][0]
    async with asyncio.timeout(10):
        await aggregate_and_refresh_credit(database, clock)
        while (await sql(database, "select consumed from usage_cursor"))[0][0] < begun:
            await asyncio.sleep(0.01)
            await aggregate_and_refresh_credit(database, clock)


async def until_no_transaction_runs(database: Database) -> None:
    """Wait for the end of all transactions (vacuum too), beside which usage is not counted."""
    query = "select pg_snapshot_xmin(s) = pg_snapshot_xmax(s) from pg_current_snapshot() s"
    async with asyncio.timeout(10):
        while not (await sql(database, query))[0][0]:  # noqa: ASYNC110  # the end sends no event
            await asyncio.sleep(0.01)


async def bill_all_usage(database: Database, clock: Clock) -> list[UUID]:
    """Bill accounts whose gateway may still write, e.g. return what its calls did not use."""
    await count_all_usage(database, clock)
    return await bill_accounts(database, clock)


async def until_somebody_waits(session: AsyncSession) -> None:
    """Until another transaction waits for a lock, which one that this session holds will be."""
    waiting = text("select count(*) from pg_locks where not granted")
    while (await session.execute(waiting)).scalar_one() == 0:
        pass
