"""A gateway process without its event loop's chances: each step is taken when a test says so.

It does with the real `Holdings`, leases and recording what gateway/quota/leaser.py, membership.py
and metering.py do with them, in the same order; and it can lose the answer of any commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from uuid import UUID

from billing.metering.leases import (
    ProcessEnded,
    Wish,
    change_leases,
    read_standings,
    register,
    renew,
)
from billing.metering.usage_log import Charge, Settled, write
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.reservation import Hold
from gateway.quota.allowance import by_meter
from gateway.quota.demand import Demand
from gateway.quota.local_leases import Holdings
from infra import ids
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import Customer, intent, record

TTL_S = 3600.0


class Fate(Enum):
    """What becomes of a commit."""

    HEARD = "heard"
    LOST = "lost"  # it happened, and nobody hears of it
    FAILED = "failed"  # it did not happen, and nobody hears of that either


class Unheard(Exception):
    """The connection was lost before the commit."""


@dataclass
class Running:
    """A call; `settled` once it has ended, until that is known to be written."""

    hold: Hold
    customer: Customer
    request_id: UUID
    opened: bool
    version_id: UUID | None = None
    settled: Settled | None = None
    tokens: int = 0


# Nano-units for one output token.
PRICE = 3


class Borrower:
    """One process, whose calls are priced by a version of terms. `charged` tells what each of its
    written calls cost, by request."""

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
        """Begin anew, knowing nothing but the calls that still run."""
        self.process_id = ids.new_id()
        self.holdings = Holdings()
        self.calls: list[Running] = getattr(self, "calls", [])

    async def join(self) -> None:
        async with self._database.transaction() as session:
            await register(session, self.process_id, "host", 1, TTL_S)

    async def keep(self) -> None:
        """Renew; where that is too late, begin anew."""
        alive, _ = await renew(self._connection, self.process_id, TTL_S)
        if not alive:
            self.begin()
            await self.join()

    async def call(
        self, customer: Customer, demand: Demand, opened: bool, now: float, fate: Fate
    ) -> bool:
        """Hold for a call, borrowing where that is needed, and send it; whether it was admitted."""
        covered = self.holdings.covered(demand, now)
        parts = None if covered is None else covered.parts
        hold = None if parts is None else self.holdings.try_hold(parts, self.process_id, now)
        if hold is None:
            if not await self._change(self.holdings.wishes_for([demand], now), fate):
                return False
            fitted = self.holdings.fit(demand, self.process_id, now)
            if fitted is None:
                return False
            hold = fitted[1]
        call = Running(hold, customer, ids.new_id(), opened, self.version_id)
        self.calls.append(call)
        if opened:
            sent = intent(customer, call.request_id)
            if not await write(self._connection, self.process_id, [sent], []):
                await self.keep()
        return True

    async def end(self, call: Running, part: float, tokens: int, now: float, fate: Fate) -> None:
        """A call has consumed that part of what was held: write it, or lose the answer."""
        paid = int(part * call.hold.money) // PRICE
        cost = paid * PRICE
        taken = [(quota, int(part * units)) for quota, units in call.hold.included.items()]
        row = replace(
            record(call.customer, request_id=call.request_id, cost_nano=cost),
            quantities=Quantities(output_tokens=paid + sum(units for _, units in taken)),
            plan_version_id=call.version_id,
            covered=by_meter(taken) if call.version_id else None,
        )
        charges = tuple(Charge(payer, cost) for payer in call.hold.payers) if cost else ()
        charges += tuple(Charge(*one) for one in row.taken.items())
        call.settled, call.tokens = Settled(row, charges, call.opened), tokens
        await self.write(now, fate)

    async def write(self, now: float, fate: Fate = Fate.HEARD) -> None:
        """Write all that has ended, again where it was not heard of."""
        ended = [call for call in self.calls if call.settled is not None]
        for call in ended:
            if call.hold.process_id != self.process_id and call.settled is not None:
                call.settled = _unbilled(call.settled)
        group = [call.settled for call in ended if call.settled is not None]
        if fate is Fate.FAILED:
            return
        if not await write(self._connection, self.process_id, [], group):
            await self.keep()
            return
        for one in group:
            self.charged.setdefault(one.record.request_id, one.record.cost_nano)
        if fate is Fate.LOST:
            return
        for call, one in zip(ended, group, strict=True):
            call.hold.close(one.record.cost_nano, call.tokens, now, one.record.taken)
            self.calls.remove(call)

    async def tick(self, shrink: bool, now: float, fate: Fate) -> None:
        """See how the quotas stand, and give back what is not needed."""
        quotas = self.holdings.ids()
        standings = await read_standings(self._connection, self.process_id, quotas)
        recalled = self.holdings.learn(standings)
        wishes = self.holdings.wishes_back(recalled, shrink, now)
        if wishes and await self._change(wishes, fate):
            self.holdings.forget([quota for quota, wish in wishes.items() if wish.end])

    async def _change(self, wishes: Mapping[str, Wish], fate: Fate) -> bool:
        self.holdings.change(wishes)
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
            self.holdings.learn(standings)
        return fate is Fate.HEARD


def _unbilled(settled: Settled) -> Settled:
    fault = Settlement.PLATFORM_FAULT
    row = replace(settled.record, settlement=fault, cost_nano=0, covered=None)
    return replace(settled, record=row, charges=())
