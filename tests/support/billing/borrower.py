"""A gateway process whose steps are run one by one by the test, without an event loop's timing.

It uses the real `LocalLeases`, leases and usage log in the order in which leaser, heartbeat and
usage writer of a gateway process use them, and it can lose the response of any commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from uuid import UUID

from billing.metering.leases import (
    LeaseChange,
    ProcessEnded,
    change_leases,
    read_quota_snapshots,
    register_process,
    renew_process,
)
from billing.metering.usage_log import QuotaCharge, SettledCall, write_usage_batch
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.reservation import Reservation
from gateway.quota.allowance import covered_by_meter_and_quota
from gateway.quota.demand import Demand
from gateway.quota.local_leases import LocalLeases
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import Customer, intent, record

TTL_S = 3600.0


class Fate(Enum):
    """The fate of a commit: confirmed, committed without response, or failed without response."""

    HEARD = "heard"
    LOST = "lost"  # it happened, and nobody hears of it
    FAILED = "failed"  # it did not happen, and nobody hears of that either


class Unheard(Exception):
    """The connection was lost before the commit."""


@dataclass
class Running:
    """A call; `settled` from its end until its row is known to be written."""

    hold: Reservation
    customer: Customer
    request_id: UUID
    opened: bool
    version_id: UUID | None = None
    settled: SettledCall | None = None
    tokens: int = 0


# Nano-units for one output token.
PRICE = 3
DEMAND = Demand(
    input_tokens=20,
    output_tokens=0,
    min_output_tokens=1,
    streams=0,
    requests=1,
    prices={"input_tokens": 1, "output_tokens": PRICE},
    quotas=(),
)
"""Of a call without quotas, to be completed by a test."""


class Borrower:
    """One process, whose calls are priced by a version of terms. `charged` has the cost of each
    written call by request."""

    def __init__(
        self,
        database: Database,
        connection: DirectConnection,
        version_id: UUID | None = None,
    ) -> None:
        self._database = database
        self._connection = connection
        self.version_id = version_id
        self.charged: dict[UUID, int] = {}
        self.begin()

    def begin(self) -> None:
        """Restart the process; only its running calls are kept."""
        self.process_id = ids.new_id()
        self.holdings = LocalLeases()
        self.calls: list[Running] = getattr(self, "calls", [])

    async def join(self) -> None:
        async with self._database.transaction() as session:
            await register_process(session, self.process_id, "host", 1, TTL_S)

    async def keep(self) -> None:
        """Renew the process row; if it has expired, restart."""
        alive, _ = await renew_process(self._connection, self.process_id, TTL_S)
        if not alive:
            self.begin()
            await self.join()

    async def call(
        self, customer: Customer, demand: Demand, opened: bool, now: float, fate: Fate
    ) -> bool:
        """Reserve for a call, borrow if needed, and send it. Returns whether it was admitted."""
        covered = self.holdings.with_local_allowances(demand, now)
        parts = None if covered is None else covered.quota_units
        hold = None if parts is None else self.holdings.try_reserve(parts, self.process_id, now)
        if hold is None:
            if not await self._change(self.holdings.borrow_plan([demand], now), fate):
                return False
            fitted = self.holdings.try_partial(demand, self.process_id, now)
            if fitted is None:
                return False
            hold = fitted[1]
        call = Running(hold, customer, ids.new_id(), opened, self.version_id)
        self.calls.append(call)
        if opened:
            sent = intent(customer, call.request_id)
            if not await write_usage_batch(self._connection, self.process_id, [sent], []):
                await self.keep()
        return True

    async def end(self, call: Running, part: float, tokens: int, now: float, fate: Fate) -> None:
        """End a call that used this part of its reservation: write it, or lose the response."""
        paid = int(part * call.hold.max_cost_nano) // PRICE
        cost = paid * PRICE
        taken = [
            (quota, int(part * units)) for quota, units in call.hold.reserved_allowances.items()
        ]
        row = replace(
            record(call.customer, request_id=call.request_id, cost_nano=cost),
            quantities=Quantities(output_tokens=paid + sum(units for _, units in taken)),
            plan_version_id=call.version_id,
            covered=covered_by_meter_and_quota(taken) if call.version_id else None,
        )
        charges = (
            tuple(QuotaCharge(payer, cost) for payer in call.hold.charged_quota_ids) if cost else ()
        )
        charges += tuple(QuotaCharge(*one) for one in row.covered_units_by_quota.items())
        call.settled, call.tokens = SettledCall(row, charges, call.opened), tokens
        await self.write(now, fate)

    async def write(self, now: float, fate: Fate = Fate.HEARD) -> None:
        """Write all ended calls, again if a response was lost."""
        ended = [call for call in self.calls if call.settled is not None]
        for call in ended:
            if call.hold.process_id != self.process_id and call.settled is not None:
                call.settled = _unbilled(call.settled)
        group = [call.settled for call in ended if call.settled is not None]
        if fate is Fate.FAILED:
            return
        if not await write_usage_batch(self._connection, self.process_id, [], group):
            await self.keep()
            return
        for one in group:
            self.charged.setdefault(one.record.request_id, one.record.cost_nano)
        if fate is Fate.LOST:
            return
        for call, one in zip(ended, group, strict=True):
            call.hold.settle(
                one.record.cost_nano, call.tokens, now, one.record.covered_units_by_quota
            )
            self.calls.remove(call)

    async def tick(self, shrink: bool, now: float, fate: Fate) -> None:
        """Read the quotas and return unneeded lease units."""
        quotas = self.holdings.quota_ids()
        standings = await read_quota_snapshots(self._connection, self.process_id, quotas)
        recalled = self.holdings.update(standings)
        wishes = self.holdings.return_plan(recalled, shrink, now)
        if wishes and await self._change(wishes, fate):
            self.holdings.drop([quota for quota, wish in wishes.items() if wish.close])

    async def _change(self, wishes: Mapping[str, LeaseChange], fate: Fate) -> bool:
        self.holdings.begin_change(wishes)
        try:
            async with self._database.transaction() as session:
                standings = await change_leases(session, self.process_id, wishes)
                if fate is Fate.FAILED:
                    raise Unheard
        except Unheard:
            return False
        except ProcessEnded:
            await self.keep()
            return False
        if fate is Fate.HEARD:
            self.holdings.update(standings)
        return fate is Fate.HEARD


def _unbilled(settled: SettledCall) -> SettledCall:
    fault = Settlement.PLATFORM_FAULT
    row = replace(settled.record, settlement=fault, cost_nano=0, covered=None)
    return replace(settled, record=row, charges=())
