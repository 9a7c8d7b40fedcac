"""Borrows quota units from the database so that most calls need no round trip.

While a quota has headroom, more units are borrowed than the next call needs, and calls reserve from
that local lease. Near a limit, units are borrowed call by call, unused units are returned, and
other processes are asked to return theirs before a call is denied. One task per process does all
borrowing and returning and serves the calls that wait for units.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.metering.leases import (
    LeaseChange,
    ProcessEnded,
    QuotaSnapshot,
    change_leases,
    read_quota_snapshots,
    recall_leases,
)
from billing.metering.quotas import QuotaRef
from billing.metering.usage import UsageRecord
from gateway.call.errors import MeteringUnavailable
from gateway.call.reservation import Lease, Reservation
from gateway.quota.demand import Demand
from gateway.quota.local_leases import LocalLeases
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing


@dataclass(frozen=True, slots=True)
class QuotaShortage:
    """The quota that does not cover a call, and whether waiting can help.

    `needed_units` is the minimum that the call needs of the quota.
    """

    quota: QuotaRef
    snapshot: QuotaSnapshot
    is_permanent: bool
    retry_after_s: float
    needed_units: int


class QuotaDenied(Exception):
    """A quota does not cover the minimum that the call needs."""

    def __init__(self, shortage: QuotaShortage) -> None:
        super().__init__(shortage)
        self.shortage = shortage


@dataclass(slots=True, eq=False)
class _Waiter:
    """A call that waits for units; `deadline` is in monotonic seconds."""

    demand: Demand
    deadline: float
    done: asyncio.Future[tuple[Demand, Reservation]]


class QuotaLeaser:
    """Reserves leased quota for the calls of one gateway process.

    `start` in the event loop; `stop` returns all leases.
    """

    def __init__(
        self,
        database: Database,
        read_connection: DirectConnection,
        heartbeat: ProcessHeartbeat,
        clock: Clock,
        metrics: Metrics,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._database = database
        self._timing = timing
        self._read_connection = read_connection
        self._heartbeat = heartbeat
        self._clock = clock
        self._metrics = metrics
        self._leases = LocalLeases()
        self._recalled_at: dict[str, float] = {}
        self._waiters: list[_Waiter] = []
        self._wake = asyncio.Event()
        self._next_tick = self._next_shrink = 0.0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Register this process and start the leasing task."""
        with suppress(DatabaseUnavailable):
            await self._heartbeat.renew_if_due()
        self._task = asyncio.create_task(self._run(), name="lender")

    async def stop(self) -> None:
        """Finish the leasing task and return all leases."""
        # The task is not cancelled, which could leave a connection inside a transaction.
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._heartbeat.end()

    def try_reserve(self, demand: Demand) -> tuple[Demand, Reservation] | None:
        """Reserve from the local leases without waiting. Returns None if they do not suffice.

        Raises MeteringUnavailable if other processes may consider this one dead.
        """
        if not self._heartbeat.is_alive:
            raise _metering_unavailable()
        now = self._clock.monotonic()
        covered_demand = (
            self._leases.with_local_allowances(demand, now) if demand.allowances else demand
        )
        if covered_demand is None:
            return None
        reservation = self._leases.try_reserve(
            covered_demand.quota_units, self._heartbeat.process_id, now
        )
        return None if reservation is None else (covered_demand, reservation)

    async def reserve(self, demand: Demand, wait_s: float) -> tuple[Demand, Reservation]:
        """Reserve the demand, or as much of it as is available, after earlier waiting calls.

        Waits up to `wait_s` for running calls to release unused money. Raises QuotaDenied,
        MeteringUnavailable.
        """
        deadline = self._clock.monotonic() + wait_s
        waiter = _Waiter(demand, deadline, asyncio.get_running_loop().create_future())
        leases = self._leases
        quota_ids = [quota.id for quota, _ in demand.quota_units]
        quota_ids += [quota.id for quota in demand.allowances]
        self._waiters.append(waiter)
        leases.add_waiting(quota_ids)
        self._wake.set()
        try:
            return await waiter.done
        except asyncio.CancelledError:
            if waiter.done.done() and not waiter.done.cancelled() and not waiter.done.exception():
                self.release(waiter.done.result()[1])
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            leases.remove_waiting(quota_ids)

    def shortened_to_limits(self, demand: Demand) -> Demand | None:
        """Return the demand shortened to what its limits leave. Returns None if below its minimum.

        Assumes that all running calls and other processes release what they have reserved.
        """
        return self._leases.shortened_to_limits(demand)

    def release(self, reservation: Reservation) -> None:
        """Release a reservation of which nothing was consumed."""
        self._settle(reservation, 0, 0, {})

    def settle(self, reservation: Reservation, record: UsageRecord) -> None:
        """Settle a reservation whose usage row is durable."""
        self._settle(
            reservation, record.cost_nano, record.quantities.tokens, record.covered_units_by_quota
        )

    def _settle(
        self, reservation: Reservation, cost: int, tokens: int, allowance_units: Mapping[str, int]
    ) -> None:
        """Settle a reservation and wake calls that wait for its units."""
        reservation.settle(cost, tokens, self._clock.monotonic(), allowance_units)
        if self._waiters:
            self._wake.set()

    def snapshot(self, quota: QuotaRef) -> QuotaSnapshot | None:
        """Return a quota as last read, up to 0.25 s ago, plus this process's use since, or None."""
        return self._leases.snapshot(quota.id)

    def rate_limit_remaining(self, quota: QuotaRef) -> tuple[int, float] | None:
        """Return a rate limit's remaining units and the seconds to its reset; None if unknown."""
        return self._leases.rate_limit_remaining(quota.id, self._clock.monotonic())

    async def _run(self) -> None:
        """Serve waiting calls and periodic updates until `stop`, surviving database errors."""
        while not self._stopping:
            try:
                await self._step()
            except DatabaseUnavailable:
                await self._pause()
            except SQLAlchemyError as error:
                self._log.error("quota leases could not be updated", reason=str(error))
                await self._pause()
            except ProcessEnded:
                self._heartbeat.restart()
                self._leases = LocalLeases()
                self._fail_waiters()

    async def _pause(self) -> None:
        """Fail the waiting calls and wait before the next attempt."""
        self._fail_waiters()
        await asyncio.sleep(self._timing.lease_tick_s)

    async def _step(self) -> None:
        """Serve waiting calls and a due periodic update, then sleep until there is more to do."""
        await self._heartbeat.renew_if_due()
        if self._waiters:
            await self._serve_waiters()
        if self._clock.monotonic() >= self._next_tick:
            await self._tick()
        remaining, retry = self._next_tick - self._clock.monotonic(), self._timing.lease_retry_s
        with suppress(TimeoutError):
            async with asyncio.timeout(retry if self._waiters else max(0.0, remaining)):
                await self._wake.wait()
        self._wake.clear()

    def _fail_waiters(self) -> None:
        """Fail all waiting calls with MeteringUnavailable."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done.done():
                waiter.done.set_exception(_metering_unavailable())

    async def _serve_waiters(self) -> None:
        """Borrow what the waiting calls need, then reserve for them or deny them."""
        now = self._clock.monotonic()
        # The local leases may cover some of them since the previous round.
        waiters = [waiter for waiter in self._waiters if not self._try_finish(waiter, now)]
        if not waiters:
            return
        await self._change_leases(
            self._leases.borrow_plan([waiter.demand for waiter in waiters], now)
        )
        recall_ids: set[str] = set()
        for waiter in waiters:
            if not waiter.done.done():
                recall_ids |= self._reserve_or_deny(waiter)
        if recall_ids:
            async with self._database.transaction() as session:
                await recall_leases(session, list(recall_ids))
            self._recalled_at.update(dict.fromkeys(recall_ids, self._clock.monotonic()))

    def _try_finish(self, waiter: _Waiter, now: float) -> bool:
        """Try to reserve the full demand from local leases. Returns whether the wait is over."""
        if not waiter.done.done():
            reserved = self._leases.try_full(waiter.demand, self._heartbeat.process_id, now)
            if reserved is None:
                return False
            waiter.done.set_result(reserved)
        return True

    def _reserve_or_deny(self, waiter: _Waiter) -> set[str]:
        """Reserve for a call, deny it, or let it wait. Returns quotas to recall from others."""
        now = self._clock.monotonic()
        reserved = self._leases.try_partial(waiter.demand, self._heartbeat.process_id, now)
        if reserved is not None:
            waiter.done.set_result(reserved)
            return set()
        recall_ids: set[str] = set()
        available = self._leases.available_for(waiter.demand, now)
        for quota, units in waiter.demand.with_min_output.with_allowances(available).quota_units:
            lease, snapshot = self._leases.get_lease(quota.id), self._leases.snapshot(quota.id)
            if snapshot is None or snapshot.amount is None or lease.available(now) >= units:
                continue
            shortage = self._find_shortage(waiter, quota, units, snapshot, lease)
            if shortage is not None:
                waiter.done.set_exception(QuotaDenied(shortage))
                return set()
            if snapshot.leased_elsewhere > 0:
                recall_ids.add(quota.id)
            if quota.kind.money:
                recall_ids |= self._leases.allowances_leased_elsewhere(waiter.demand)
        retry_s = self._timing.recall_again_s
        return {
            quota_id
            for quota_id in recall_ids
            if now >= self._recalled_at_monotonic(quota_id) + retry_s
        }

    def _find_shortage(
        self, waiter: _Waiter, quota: QuotaRef, units: int, snapshot: QuotaSnapshot, lease: Lease
    ) -> QuotaShortage | None:
        """Return the shortage if waiting for this quota is useless. Returns None if it may help."""
        now = self._clock.monotonic()
        min_units = units
        if quota.kind.money and waiter.demand.allowances:
            if self._leases.can_borrow(quota.id, units):
                return (
                    None  # an allowance was shorter than expected: the next round borrows the money
                )
            min_units = self._leases.with_unconsumed_allowances(
                waiter.demand.with_min_output
            ).max_cost_nano
        remaining = (snapshot.amount or 0) - (snapshot.consumed if quota.kind.money else 0)
        if min_units and remaining < min_units:
            return QuotaShortage(quota, snapshot, True, 0.0, min_units)
        if quota.kind.money:
            is_final = now >= waiter.deadline
        else:
            # Units of a rate return within a minute: wait only for idle units of other processes.
            is_final = snapshot.leased_elsewhere == 0 or self._is_recall_unanswered(quota.id, now)
        missing_units = units - lease.available(now)
        wait = lease.seconds_until_available(missing_units, now) if quota.kind.window_s else 1.0
        return QuotaShortage(quota, snapshot, False, wait, min_units) if is_final else None

    def _is_recall_unanswered(self, quota_id: str, now: float) -> bool:
        """Return whether others had time to return recalled units and no new recall is due yet."""
        recalled_at, timing = self._recalled_at_monotonic(quota_id), self._timing
        return recalled_at + timing.recall_s <= now < recalled_at + timing.recall_again_s

    def _recalled_at_monotonic(self, quota_id: str) -> float:
        """Return the monotonic second of the quota's last recall; minus infinity if none."""
        return self._recalled_at.get(quota_id, float("-inf"))

    async def _tick(self) -> None:
        """Read the quotas' state, and give units back that this process does not need."""
        now = self._clock.monotonic()
        self._next_tick = now + self._timing.lease_tick_s
        if not self._leases.quota_ids():
            return
        snapshots = await read_quota_snapshots(
            self._read_connection, self._heartbeat.process_id, self._leases.quota_ids()
        )
        recalled = self._leases.update(snapshots)
        shrink = now >= self._next_shrink
        if shrink:
            self._next_shrink = now + self._timing.lease_shrink_s
        changes = self._leases.return_plan(recalled, shrink, now)
        if changes:
            await self._change_leases(changes)
            ended = [quota_id for quota_id, change in changes.items() if change.close]
            self._leases.drop(ended)
            for quota_id in ended:
                self._recalled_at.pop(quota_id, None)

    async def _change_leases(self, changes: Mapping[str, LeaseChange]) -> None:
        """Borrow and return units in one transaction."""
        # If the commit's outcome is unknown, the leases stay blocked until they are read again.
        self._leases.begin_change(changes)
        async with self._database.transaction() as session:
            snapshots = await change_leases(session, self._heartbeat.process_id, changes)
        self._leases.update(snapshots)
        self._metrics.lease_changes.inc()


def _metering_unavailable() -> MeteringUnavailable:
    """Return the error for calls while usage cannot be recorded."""
    return MeteringUnavailable("Calls cannot be recorded at the moment. Please try again shortly.")
