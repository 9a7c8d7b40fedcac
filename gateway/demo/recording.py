"""Recording: calls priced, leased and written as a gateway process does it.

Each call is priced by the terms that held for its key at its moment, included units before money;
what it takes of every quota is borrowed before and charged with its row.
"""

import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.allowances import units_left
from billing.metering.leases import Wish, change_leases, register
from billing.metering.process_reaper import end_process
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import Charge, Settled, write
from billing.outcomes.contracts.attribution import CONTRACT_TAG
from billing.tables import Settlement
from gateway.access.key_lookup import KnownKey, key_by_id
from gateway.access.price_book import Contracts
from gateway.call.values import Priced, Principal
from gateway.demo.calls import Planned
from gateway.inference.usage_record import charged
from gateway.quota.allowance import NO_COVER, by_meter
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.database.direct import DirectConnection
from infra.errors import AppError

_BATCH = 256
_TTL_S = 600.0
_PATIENCE_S = 30.0


class DemoStuck(AppError):
    """The demo's own calls were not let through, so its story cannot go on."""

    code = "demo_stuck"


class Recorder:
    """Writes calls of one gateway process, `process_id`."""

    def __init__(
        self, database: Database, connection: DirectConnection, contracts: Contracts
    ) -> None:
        self._database = database
        self._connection = connection
        self._contracts = contracts
        self._charged: Counter[str] = Counter()
        self._known: dict[UUID, KnownKey] = {}
        self.process_id = ids.new_id()

    async def record(
        self, account_id: UUID, keys: Mapping[str, UUID], calls: Sequence[Planned]
    ) -> None:
        """Write calls of an account in their order. Raises DemoStuck."""
        if not calls:
            return
        async with self._database.transaction() as session:
            pricing = _Pricing(session, self._contracts, account_id, keys, self._known)
            settled = [await pricing.settled(call) for call in calls]
            await self._borrow(session, settled)
        for begun in range(0, len(settled), _BATCH):
            batch = settled[begun : begun + _BATCH]
            if not await write(self._connection, self.process_id, [], batch):
                raise DemoStuck("The demo's gateway process was taken for dead. Try again.")

    def forget(self) -> None:
        """Something was agreed or changed: look again at what each key calls by."""
        self._known.clear()

    async def _borrow(self, session: AsyncSession, settled: Sequence[Settled]) -> None:
        """What the calls take, of all quotas at once."""
        needs: Counter[str] = Counter()
        for one in settled:
            for charge in one.charges:
                needs[charge.quota_id] += charge.amount
        if not needs:
            return
        wishes = {quota: Wish(needs=((units, units),)) for quota, units in needs.items()}
        standings = await change_leases(session, self.process_id, wishes)
        self._charged.update(needs)
        for quota, standing in standings.items():
            if standing.borrowed < self._charged[quota]:
                raise DemoStuck(f"A limit of the demo is used up (quota {quota}).")


@asynccontextmanager
async def recorder(
    database: Database, url: str, contracts: Contracts, clock: Clock
) -> AsyncIterator[Recorder]:
    """A gateway process for as long as the block lasts; what it borrowed goes back at the end."""
    connection = DirectConnection(url, _PATIENCE_S)
    made = Recorder(database, connection, contracts)
    async with database.transaction() as session:
        await register(session, made.process_id, socket.gethostname(), os.getpid(), _TTL_S)
    try:
        yield made
    finally:
        async with database.transaction() as session:
            await end_process(session, made.process_id, clock.now())
        await connection.close()


class _Pricing:
    """Calls of one account, priced in one transaction; `known` is what was looked up before."""

    def __init__(
        self,
        session: AsyncSession,
        contracts: Contracts,
        account_id: UUID,
        keys: Mapping[str, UUID],
        known: dict[UUID, KnownKey],
    ) -> None:
        self._session = session
        self._contracts = contracts
        self._account_id = account_id
        self._keys = keys
        self._known = known
        self._free: dict[str, int] = {}

    async def settled(self, call: Planned) -> Settled:
        principal = await self._principal(self._keys[call.work.key], call.at)
        priced = _priced(principal, call)
        cost, taken, refused = 0, NO_COVER, call.end.settlement is Settlement.REFUSED
        if call.end.settlement.billable:
            await self._look(priced)
            included = {one: self._free[one.id] for one in priced.included}
            cost, taken = charged(call.quantities, priced.prices, included)
        for quota, units in taken:
            self._free[quota.id] -= units
        record = UsageRecord(
            request_id=ids.new_id(),
            account_id=principal.account_id,
            key_id=principal.key_id,
            operation=call.work.operation.value,
            model=call.model,
            streamed=call.work.streamed,
            settlement=call.end.settlement,
            status=call.end.status,
            error_code=call.end.error_code,
            quantities=call.quantities,
            cost_nano=cost,
            currency=principal.currency,
            started_at=call.at,
            duration_us=call.duration_us,
            first_chunk_us=call.first_chunk_us,
            plan_version_id=None if refused else priced.version_id,
            tags=dict(call.tags),
            covered=by_meter(taken),
        )
        return Settled(record, (*_paid(principal, cost), *(Charge(q.id, n) for q, n in taken)))

    async def _principal(self, key_id: UUID, at: datetime) -> Principal:
        """The key as it was then, looked up again where its terms have changed."""
        known = self._known.get(key_id)
        if known is None or not known.holds_from <= at < known.holds_until:
            place = (self._account_id, key_id, at)
            known = await key_by_id(self._session, self._contracts, *place)
            if known is None:
                raise DemoStuck("A key of the demo is gone.")
            self._known[key_id] = known
        return known.principal

    async def _look(self, priced: Priced) -> None:
        """How many included units are left, once for each quota."""
        new = [one.id for one in priced.included if one.id not in self._free]
        if new:
            self._free.update(await units_left(self._session, self._account_id, new))


def _priced(principal: Principal, call: Planned) -> Priced:
    covering = principal.coverings.get(call.tags.get(CONTRACT_TAG, ""), {})
    return covering.get(call.model) or principal.contract[call.model]


def _paid(principal: Principal, cost: int) -> tuple[Charge, ...]:
    if not cost:
        return ()
    return tuple(Charge(quota.id, cost) for quota in principal.quotas if quota.kind.money)
