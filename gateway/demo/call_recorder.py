"""Record calls as a gateway process does: price them, lease quota units, and write usage rows.

Each call is priced by the terms in force for its key at the time of the call, included units first.
Quota units are leased before the rows that charge them are written.
"""

import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.allowances import remaining_units_by_quota
from billing.metering.leases import LeaseChange, change_leases, register_process
from billing.metering.process_reaper import end_process
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import QuotaCharge, SettledCall, write_usage_batch
from billing.outcomes.contracts.attribution import CONTRACT_TAG
from billing.tables import Settlement
from gateway.access.key_lookup import KeyRecord, find_key_by_id
from gateway.access.price_book import PriceBook
from gateway.call.values import ModelPrices, Principal
from gateway.demo.calls import PlannedCall
from gateway.inference.usage.record import charge_with_allowances
from gateway.quota.allowance import NO_ALLOWANCE_USE, covered_by_meter_and_quota
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.database.direct import DirectConnection
from infra.errors import AppError

_WRITE_BATCH = 256
_PROCESS_TTL_S = 600.0
_CONNECTION_TIMEOUT_S = 30.0


class DemoCallRejected(AppError):
    """The demo cannot be completed: a limit rejected its calls, or a key is missing."""

    code = "demo_stuck"


class CallRecorder:
    """Recorder of calls on behalf of one gateway process (`process_id`)."""

    def __init__(
        self, database: Database, connection: DirectConnection, price_book: PriceBook
    ) -> None:
        self._database = database
        self.connection = connection
        self._price_book = price_book
        self._charged_units: Counter[str] = Counter()
        self._key_cache: dict[UUID, KeyRecord] = {}
        self.process_id = ids.new_id()

    async def record(
        self, account_id: UUID, keys: Mapping[str, UUID], calls: Sequence[PlannedCall]
    ) -> None:
        """Record an account's calls in chronological order. Raises DemoCallRejected."""
        if not calls:
            return
        async with self._database.transaction() as session:
            pricer = _CallPricer(session, self._price_book, account_id, keys, self._key_cache)
            settled = [await pricer.price_call(call) for call in calls]
            await self._lease_units(session, settled)
        for start in range(0, len(settled), _WRITE_BATCH):
            batch = settled[start : start + _WRITE_BATCH]
            if not await write_usage_batch(self.connection, self.process_id, [], batch):
                raise DemoCallRejected("The demo's gateway process was declared dead. Try again.")

    def clear_key_cache(self) -> None:
        """Forget the cached keys, after terms or keys have changed."""
        self._key_cache.clear()

    async def _lease_units(self, session: AsyncSession, settled: Sequence[SettledCall]) -> None:
        """Lease the quota units that the calls are charged to. Raises DemoCallRejected."""
        needs: Counter[str] = Counter()
        for settled_call in settled:
            for charge in settled_call.charges:
                needs[charge.quota_id] += charge.amount
        if not needs:
            return
        changes = {quota: LeaseChange(needs=((units, units),)) for quota, units in needs.items()}
        quota_states = await change_leases(session, self.process_id, changes)
        self._charged_units.update(needs)
        for quota, quota_state in quota_states.items():
            if quota_state.borrowed < self._charged_units[quota]:
                raise DemoCallRejected(f"A limit of the demo is used up (quota {quota}).")


@asynccontextmanager
async def open_recorder(
    database: Database, url: str, price_book: PriceBook, clock: Clock
) -> AsyncIterator[CallRecorder]:
    """Register a gateway process for the duration of the block and yield its recorder.

    Leased units are returned at the end.
    """
    connection = DirectConnection(url, _CONNECTION_TIMEOUT_S)
    recorder = CallRecorder(database, connection, price_book)
    async with database.transaction() as session:
        await register_process(
            session, recorder.process_id, socket.gethostname(), os.getpid(), _PROCESS_TTL_S
        )
    try:
        yield recorder
    finally:
        async with database.transaction() as session:
            await end_process(session, recorder.process_id, clock.now())
        await connection.close()


class _CallPricer:
    """Pricing of one account's calls in one transaction; `key_cache` outlives it."""

    def __init__(
        self,
        session: AsyncSession,
        price_book: PriceBook,
        account_id: UUID,
        keys: Mapping[str, UUID],
        key_cache: dict[UUID, KeyRecord],
    ) -> None:
        self._session = session
        self._price_book = price_book
        self._account_id = account_id
        self._keys = keys
        self._key_cache = key_cache
        self._remaining_units: dict[str, int] = {}

    async def price_call(self, call: PlannedCall) -> SettledCall:
        """Return the call's usage record with its quota charges."""
        principal = await self._load_principal(self._keys[call.call_type.key], call.at)
        prices = _prices_for_call(principal, call)
        cost, allowance_use = 0, NO_ALLOWANCE_USE
        is_refused = call.outcome.settlement is Settlement.REFUSED
        if call.outcome.settlement.billable:
            await self._load_remaining_units(prices)
            remaining = {quota: self._remaining_units[quota.id] for quota in prices.allowances}
            cost, allowance_use = charge_with_allowances(call.quantities, prices.prices, remaining)
        for quota, units in allowance_use:
            self._remaining_units[quota.id] -= units
        record = UsageRecord(
            request_id=call.request_id or ids.new_id(),
            account_id=principal.account_id,
            key_id=principal.key_id,
            operation=call.call_type.operation.value,
            model=call.model,
            streamed=call.call_type.streamed,
            settlement=call.outcome.settlement,
            status=call.outcome.status,
            error_code=call.outcome.error_code,
            quantities=call.quantities,
            cost_nano=cost,
            currency=principal.currency,
            started_at=call.at,
            duration_us=call.duration_us,
            first_chunk_us=call.first_chunk_us,
            plan_version_id=None if is_refused else prices.plan_version_id,
            tags=dict(call.tags),
            covered=covered_by_meter_and_quota(allowance_use),
            project_id=principal.project_id,
        )
        return SettledCall(
            record,
            (*_money_charges(principal, cost), *(QuotaCharge(q.id, n) for q, n in allowance_use)),
        )

    async def _load_principal(self, key_id: UUID, at: datetime) -> Principal:
        """Return the key's principal at the time, reloaded if its terms have changed."""
        key = self._key_cache.get(key_id)
        if key is None or not key.valid_from <= at < key.valid_until:
            key = await find_key_by_id(
                self._session, self._price_book, self._account_id, key_id, at
            )
            if key is None:
                raise DemoCallRejected("An API key of the demo was not found.")
            self._key_cache[key_id] = key
        return key.principal

    async def _load_remaining_units(self, prices: ModelPrices) -> None:
        """Load the remaining units of the allowances that were not loaded yet."""
        missing = [quota.id for quota in prices.allowances if quota.id not in self._remaining_units]
        if missing:
            self._remaining_units.update(
                await remaining_units_by_quota(self._session, self._account_id, missing)
            )


def _prices_for_call(principal: Principal, call: PlannedCall) -> ModelPrices:
    """Return the prices of the outcome contract that covers the call, else the account's prices."""
    covering = principal.outcome_contract_prices.get(call.tags.get(CONTRACT_TAG, ""), {})
    return covering.get(call.model) or principal.model_prices[call.model]


def _money_charges(principal: Principal, cost: int) -> tuple[QuotaCharge, ...]:
    """Return the charges of the money quotas (credit, budgets) in nano-units."""
    if not cost:
        return ()
    return tuple(QuotaCharge(quota.id, cost) for quota in principal.quotas if quota.kind.money)
