"""Leasing: this process's dealings with the quotas, so that a call needs no round trip.

While there is headroom, more is borrowed than the next call needs, and calls are held against
that. Near a limit calls are lent one by one; what is free for nobody's good goes back, and other
processes are asked for what they do not need before a call is refused.

Owns the calls that wait for units and the one task that borrows and gives back.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.metering.leases import (
    ProcessEnded,
    Standing,
    Wish,
    change_leases,
    read_standings,
    recall,
)
from billing.metering.quotas import QuotaRef
from billing.metering.usage import UsageRecord
from gateway.call.errors import MeteringUnavailable
from gateway.call.reservation import Hold, Lease
from gateway.quota.demand import Demand
from gateway.quota.local_leases import Holdings
from gateway.quota.process_heartbeat import Membership
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics
from infra.timing import USUAL, Timing


@dataclass(frozen=True, slots=True)
class Short:
    """Why a call cannot be held: which quota, of which it `needs` so much at least, how that one
    stands, and whether waiting can help."""

    quota: QuotaRef
    standing: Standing
    for_good: bool
    retry_after_s: float
    needs: int


class Refused(Exception):
    """A quota cannot give even the least that the call needs."""

    def __init__(self, short: Short) -> None:
        super().__init__(short)
        self.short = short


@dataclass(slots=True, eq=False)
class _Waiter:
    demand: Demand
    until: float
    done: asyncio.Future[tuple[Demand, Hold]]


class Lender:
    """Lends to the calls of one gateway process. `start` it in the event loop, `stop` it."""

    def __init__(
        self,
        database: Database,
        reading: DirectConnection,
        membership: Membership,
        clock: Clock,
        metrics: Metrics,
        timing: Timing = USUAL,
    ) -> None:
        self._database = database
        self._timing = timing
        self._reading = reading
        self._membership = membership
        self._clock = clock
        self._metrics = metrics
        self._holdings = Holdings()
        self._recalled: dict[str, float] = {}
        self._waiters: list[_Waiter] = []
        self._wake = asyncio.Event()
        self._next_tick = self._next_shrink = 0.0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    async def start(self) -> None:
        with suppress(DatabaseUnavailable):
            await self._membership.keep()
        self._task = asyncio.create_task(self._run(), name="lender")

    async def stop(self) -> None:
        # Not cancelled: a connection must not be left in the middle of a transaction.
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._membership.end()

    def try_hold(self, demand: Demand) -> tuple[Demand, Hold] | None:
        """Hold from what is here, without waiting; None where that is not enough.

        Raises MeteringUnavailable where others may take us for dead by now.
        """
        if not self._membership.alive:
            raise _unavailable()
        now = self._clock.monotonic()
        covered = self._holdings.covered(demand, now) if demand.included else demand
        if covered is None:
            return None
        hold = self._holdings.try_hold(covered.parts, self._membership.process_id, now)
        return None if hold is None else (covered, hold)

    async def hold(self, demand: Demand, patience_s: float) -> tuple[Demand, Hold]:
        """Hold what the call demands, or as much as there is, behind those that wait already.

        Waits so long for running calls to give back money that they do not need. Raises Refused,
        MeteringUnavailable.
        """
        until = self._clock.monotonic() + patience_s
        waiter = _Waiter(demand, until, asyncio.get_running_loop().create_future())
        holdings = self._holdings
        waiting_for = [quota.id for quota, _ in demand.parts]
        waiting_for += [quota.id for quota in demand.included]
        self._waiters.append(waiter)
        holdings.enqueue(waiting_for)
        self._wake.set()
        try:
            return await waiter.done
        except asyncio.CancelledError:
            if waiter.done.done() and not waiter.done.cancelled() and not waiter.done.exception():
                self.give_back(waiter.done.result()[1])
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            holdings.dequeue(waiting_for)

    def within_limits(self, demand: Demand) -> Demand | None:
        """As much of a demand as its limits leave, were all calls that run and all other processes
        to give back what they hold; None where not even the least of it."""
        return self._holdings.within_limits(demand)

    def give_back(self, hold: Hold) -> None:
        """End a hold of which nothing was consumed."""
        self._close(hold, 0, 0, {})

    def close(self, hold: Hold, record: UsageRecord) -> None:
        """End a hold whose usage row is durable."""
        self._close(hold, record.cost_nano, record.quantities.tokens, record.taken)

    def _close(self, hold: Hold, cost: int, tokens: int, covered: Mapping[str, int]) -> None:
        hold.close(cost, tokens, self._clock.monotonic(), covered)
        if self._waiters:
            self._wake.set()

    def standing(self, quota: QuotaRef) -> Standing | None:
        """A quota as last read, at most a quarter of a second ago, with our own calls since."""
        return self._holdings.standing(quota.id)

    def remaining(self, quota: QuotaRef) -> tuple[int, float] | None:
        """Of a rate: units that are left, and seconds until all are; None where not known."""
        return self._holdings.remaining(quota.id, self._clock.monotonic())

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._step()
            except DatabaseUnavailable:
                await self._pause()
            except SQLAlchemyError as error:
                self._log.error("quotas could not be dealt with", reason=str(error))
                await self._pause()
            except ProcessEnded:
                self._membership.begin_anew()
                self._holdings = Holdings()
                self._fail_waiters()

    async def _pause(self) -> None:
        self._fail_waiters()
        await asyncio.sleep(self._timing.lease_tick_s)

    async def _step(self) -> None:
        await self._membership.keep()
        if self._waiters:
            await self._serve()
        if self._clock.monotonic() >= self._next_tick:
            await self._tick()
        left, retry = self._next_tick - self._clock.monotonic(), self._timing.lease_retry_s
        with suppress(TimeoutError):
            async with asyncio.timeout(retry if self._waiters else max(0.0, left)):
                await self._wake.wait()
        self._wake.clear()

    def _fail_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done.done():
                waiter.done.set_exception(_unavailable())

    async def _serve(self) -> None:
        """One round: borrow what the waiting calls need, hand it out, refuse who must be."""
        now = self._clock.monotonic()
        # Calls that only waited for an earlier round to end need no further one.
        waiters = [waiter for waiter in self._waiters if not self._served(waiter, now)]
        if not waiters:
            return
        await self._change(self._holdings.wishes_for([one.demand for one in waiters], now))
        missing: set[str] = set()
        for waiter in waiters:
            if not waiter.done.done():
                missing |= self._hand_out(waiter)
        if missing:
            async with self._database.transaction() as session:
                await recall(session, list(missing))
            self._recalled.update(dict.fromkeys(missing, self._clock.monotonic()))

    def _served(self, waiter: _Waiter, now: float) -> bool:
        """Whether the call has all that it wants, from what is here, or was given up."""
        if not waiter.done.done():
            fitted = self._holdings.fit_whole(waiter.demand, self._membership.process_id, now)
            if fitted is None:
                return False
            waiter.done.set_result(fitted)
        return True

    def _hand_out(self, waiter: _Waiter) -> set[str]:
        """Hold for the call, refuse it, or let it wait; gives the quotas to recall for it."""
        now = self._clock.monotonic()
        fitted = self._holdings.fit(waiter.demand, self._membership.process_id, now)
        if fitted is not None:
            waiter.done.set_result(fitted)
            return set()
        missing: set[str] = set()
        free = self._holdings.free_for(waiter.demand, now)
        for quota, units in waiter.demand.least.covered(free).parts:
            lease, standing = self._holdings.lease(quota.id), self._holdings.standing(quota.id)
            if standing is None or standing.amount is None or lease.free(now) >= units:
                continue
            short = self._judge(waiter, quota, units, standing, lease)
            if short is not None:
                waiter.done.set_exception(Refused(short))
                return set()
            if standing.elsewhere > 0:
                missing.add(quota.id)
            if quota.kind.money:
                missing |= self._holdings.lent_of(waiter.demand)
        again = self._timing.recall_again_s
        return {one for one in missing if now >= self._last_recall(one) + again}

    def _judge(
        self, waiter: _Waiter, quota: QuotaRef, units: int, standing: Standing, lease: Lease
    ) -> Short | None:
        """Why waiting for this quota is of no use; None while it may be."""
        now = self._clock.monotonic()
        least = units
        if quota.kind.money and waiter.demand.included:
            if self._holdings.can_have(quota.id, units):
                return None  # an allowance gave less than was expected: the next round asks for it
            least = self._holdings.at_best(waiter.demand.least).cost
        left = (standing.amount or 0) - (standing.spent if quota.kind.money else 0)
        if least and left < least:
            return Short(quota, standing, True, 0.0, least)
        if quota.kind.money:
            over = now >= waiter.until
        else:
            # Units of a rate come back within a minute; only what idles elsewhere is waited for.
            over = standing.elsewhere == 0 or self._unanswered(quota.id, now)
        missing = units - lease.free(now)
        wait = lease.free_in(missing, now) if quota.kind.window_s else 1.0
        return Short(quota, standing, False, wait, least) if over else None

    def _unanswered(self, quota_id: str, now: float) -> bool:
        """Whether others had their time to answer a recall; then who asks for a rate is refused."""
        asked, timing = self._last_recall(quota_id), self._timing
        return asked + timing.recall_s <= now < asked + timing.recall_again_s

    def _last_recall(self, quota_id: str) -> float:
        return self._recalled.get(quota_id, float("-inf"))

    async def _tick(self) -> None:
        """See how the quotas stand, and give back what is not needed here."""
        now = self._clock.monotonic()
        self._next_tick = now + self._timing.lease_tick_s
        if not self._holdings.ids():
            return
        standings = await read_standings(
            self._reading, self._membership.process_id, self._holdings.ids()
        )
        recalled = self._holdings.learn(standings)
        shrink = now >= self._next_shrink
        if shrink:
            self._next_shrink = now + self._timing.lease_shrink_s
        wishes = self._holdings.wishes_back(recalled, shrink, now)
        if wishes:
            await self._change(wishes)
            ended = [quota_id for quota_id, wish in wishes.items() if wish.end]
            self._holdings.forget(ended)
            for quota_id in ended:
                self._recalled.pop(quota_id, None)

    async def _change(self, wishes: Mapping[str, Wish]) -> None:
        # Where the commit's answer is lost, the leases stay closed until they were read again.
        self._holdings.change(wishes)
        async with self._database.transaction() as session:
            standings = await change_leases(session, self._membership.process_id, wishes)
        self._holdings.learn(standings)
        self._metrics.lease_changes.inc()


def _unavailable() -> MeteringUnavailable:
    return MeteringUnavailable("Calls cannot be recorded just now. Please try again shortly.")
