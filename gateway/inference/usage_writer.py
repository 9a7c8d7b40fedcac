"""Metering: every call is in the database before the answer's last byte, and once.

A call that is sent to a model opens an intent, durable before its first byte leaves; a call that
ends becomes a usage row, durable before its last. Both wait for the one writer of a process,
which commits all that wait as one group. A call that ends before its intent was due needs none.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import Answer, IntentRecord, write
from gateway.call.errors import MeteringUnavailable
from gateway.call.reservation import Hold
from gateway.inference.pending_writes import Ending, Group, Inner, Opened
from gateway.inference.usage_record import unbilled
from gateway.quota.leaser import Lender
from gateway.quota.process_heartbeat import Membership
from infra.clock import Clock
from infra.database.database import DatabaseUnavailable, RecordsContended
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics
from infra.timing import USUAL, Timing

_BATCH = 256
_WAITING = 10_000
# A call that comes alone is committed at once, others at most so often.
_PACE_S = 0.002
# An intent's commit overlaps the upstream call. A call that is over sooner needs none.
_INTENT_DELAY_S = 0.005


class UsageWriter:
    """Commits calls in groups. `start` it in the event loop; `stop` writes what waits."""

    def __init__(
        self,
        connection: DirectConnection,
        membership: Membership,
        lender: Lender,
        clock: Clock,
        metrics: Metrics,
        settle_timeout_s: float,
        timing: Timing = USUAL,
    ) -> None:
        self._timing = timing
        self._connection = connection
        self._membership = membership
        self._lender = lender
        self._clock = clock
        self._metrics = metrics
        self._timeout_s = settle_timeout_s
        self._opens: deque[Opened] = deque()
        self._endings: deque[Ending] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._failing = self._urgent = False
        self._next_commit = float("-inf")
        self._log = structlog.get_logger()

    async def start(self) -> None:
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name="usage-writer")

    async def stop(self) -> None:
        """Write what waits, for as long as a caller would wait for it; then stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._idle.wait()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._timer is not None:
            self._timer.cancel()

    @property
    def waiting(self) -> int:
        """Rows that wait to be written."""
        return len(self._endings)

    @property
    def failing(self) -> bool:
        """Whether rows cannot be written just now."""
        return self._failing

    def require_ready(self) -> None:
        """Raises MeteringUnavailable while rows cannot be written: nothing new may start then."""
        if self._failing or len(self._endings) > _WAITING // 2:
            raise MeteringUnavailable(
                "Usage cannot be recorded just now. Please try again shortly."
            )

    def intend(self, intent: Callable[[], IntentRecord]) -> Opened:
        """Say that a call is about to be sent; `intent` is asked for if it is to be written."""
        opened = Opened(intent, self._clock.monotonic() + _INTENT_DELAY_S)
        self._opens.append(opened)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_INTENT_DELAY_S, self._intents_are_due)
        return opened

    async def ensure(self, opened: Opened) -> None:
        """Return when the intent is durable. Raises MeteringUnavailable if that takes too long."""
        if opened.written:
            return
        if opened.durable is None:
            opened.durable = asyncio.get_running_loop().create_future()
        self._urgent = True
        self._start_writing()
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(opened.durable)
        except TimeoutError:
            raise _withheld() from None

    def offer(
        self,
        record: UsageRecord,
        hold: Hold | None = None,
        opened: Opened | None = None,
        answer: Answer | None = None,
        inner: tuple[Inner, ...] = (),
    ) -> Ending | None:
        """Queue a row, and those of its inner calls, which are written in the same commit. None
        where it was let go: a refusal of a stranger, the queue half full.

        Raises MeteringUnavailable where the queue is full, but not for a call that holds.
        """
        waiting = len(self._endings)
        if record.account_id is None and waiting > _WAITING // 2:
            self._metrics.settle_dropped.inc()
            return None
        if waiting >= _WAITING and hold is None and opened is None and not inner:
            raise _withheld()
        if opened is not None and not opened.written:
            # Not in a commit yet: then the usage row alone says all.
            opened.needless = True
        until = self._clock.monotonic() + self._timeout_s
        durable = asyncio.get_running_loop().create_future()
        ending = Ending(record, durable, until, hold, opened, answer, inner=inner)
        self._endings.append(ending)
        self._start_writing()
        return ending

    async def append(
        self,
        record: UsageRecord,
        hold: Hold | None = None,
        opened: Opened | None = None,
        answer: Answer | None = None,
        inner: tuple[Inner, ...] = (),
    ) -> None:
        """Return when the row is durable.

        Raises MeteringUnavailable where that takes too long; the row then says so and bills
        nothing, unless its commit was under way when the connection was lost.
        """
        ending = self.offer(record, hold, opened, answer, inner)
        if ending is not None:
            await ending.durable

    def _intents_are_due(self) -> None:
        self._timer = None
        opens = self._opens
        while opens and opens[0].needless:
            opens.popleft()
        if opens:
            if opens[0].due <= self._clock.monotonic():
                self._start_writing()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_INTENT_DELAY_S, self._intents_are_due)

    def _start_writing(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._is_work():
                await self._pace()
                await self._commit(self._next_group())
            if not self._endings and not self._wake.is_set():
                self._idle.set()

    def _is_work(self) -> bool:
        if self._endings or not self._opens:
            return bool(self._endings)
        return self._urgent or self._opens[0].due <= self._clock.monotonic()

    async def _pace(self) -> None:
        """Let some calls gather: a commit costs as much processor as the rest of a call."""
        now = self._clock.monotonic()
        wait = self._next_commit - now
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_commit = max(now, self._next_commit) + _PACE_S

    def _next_group(self) -> Group:
        group, opens, now = Group(), self._opens, self._clock.monotonic()
        while opens and len(group.opens) < _BATCH:
            if not (opens[0].needless or self._urgent or opens[0].due <= now):
                break
            opened = opens.popleft()
            if not opened.needless:
                opened.written = True
                group.opens.append(opened)
        self._urgent = self._urgent and bool(opens)
        while self._endings and len(group.endings) < _BATCH:
            group.endings.append(self._endings.popleft())
        return group

    async def _commit(self, group: Group) -> None:
        """Try until it is done: rows are facts, and a fact that was taken is not let go."""
        attempt = 0
        while True:
            try:
                done = await self._write(group)
            except DatabaseUnavailable as error:
                self._say("error", "calls wait to be recorded", repr(error.__cause__ or error))
                # Whoever had to give way to another writer writes in a moment.
                self._failing = not isinstance(error, RecordsContended)
                done = False
            except Exception as error:
                # Of one row that cannot be written, not even the writer itself may end.
                await self._isolate(group, error)
                return
            if done:
                return
            self._metrics.settle_failures.inc()
            self._give_up(group)
            await asyncio.sleep(self._retry_after(attempt))
            attempt += 1

    def _retry_after(self, attempt: int) -> float:
        # The exponent is bounded, or after a day of failures the power would be no float.
        wait = self._timing.record_retry_s * float(2 ** min(attempt, 10))
        return min(wait, self._timing.record_retry_limit_s)

    async def _write(self, group: Group) -> bool:
        process_id = self._membership.process_id
        for ending in group.endings:
            if any(hold.process_id != process_id for hold, _ in ending.holds):
                self._fail(ending)  # what paid for it was taken back, this process being late
        intents = [opened.intent() for opened in group.opens]
        settled = [one for ending in group.endings for one in ending.settled()]
        with self._metrics.settle_duration.time():
            alive = await write(self._connection, process_id, intents, settled)
        if not alive:
            self._membership.suspect()
            return False
        self._failing = False
        self._metrics.settle_batch.observe(len(settled))
        self._close(group)
        return True

    def _close(self, group: Group) -> None:
        for opened in group.opens:
            if opened.durable is not None and not opened.durable.done():
                opened.durable.set_result(None)
        for ending in group.endings:
            for hold, record in ending.holds:
                self._lender.close(hold, record)
            if not ending.durable.done():
                ending.durable.set_result(None)

    def _give_up(self, group: Group) -> None:
        """Tell those who have waited long enough; what they waited for is then not billed."""
        now = self._clock.monotonic()
        for ending in (*group.endings, *self._endings):
            if ending.until <= now and not ending.given_up:
                self._fail(ending)

    def _fail(self, ending: Ending) -> None:
        ending.given_up = True
        ending.answer = Answer(None) if ending.answer else None
        if ending.record.settlement.billable:
            ending.record = unbilled(ending.record, MeteringUnavailable.code)
        for one in ending.inner:
            if one.record.settlement.billable:
                one.record = unbilled(one.record, MeteringUnavailable.code)
        if not ending.durable.done():
            ending.durable.set_exception(_withheld())
            ending.durable.exception()  # of some, nobody waits to hear

    async def _isolate(self, group: Group, error: Exception) -> None:
        """A row cannot be written: the others of its group must not suffer for it."""
        singles = [Group(opens=[opened]) for opened in group.opens]
        singles += [Group(endings=[ending]) for ending in group.endings]
        if len(singles) > 1:
            for single in singles:
                await self._commit(single)
            return
        for ending in group.endings:
            self._say("critical", "a usage row was refused", str(error), row=repr(ending.record))
            self._fail(ending)
            for hold, _ in ending.holds:
                self._lender.give_back(hold)
        for opened in group.opens:
            self._say("critical", "an intent was refused", str(error), row=repr(opened.intent()))
            if opened.durable is not None and not opened.durable.done():
                opened.durable.set_exception(_withheld())

    def _say(self, level: str, event: str, reason: str, **fields: str) -> None:
        # Where not even the log can be written, as when its reader is gone, rows still can.
        with suppress(Exception):
            getattr(self._log, level)(event, reason=reason, **fields)


def _withheld() -> MeteringUnavailable:
    return MeteringUnavailable("The answer could not be recorded, so it is withheld.")
