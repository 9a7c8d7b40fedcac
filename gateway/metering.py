"""Metering: every ended call becomes a usage row, durable before the answer's last byte.

Owns pricing the row, and the one writer of a gateway process, which commits all rows that wait
as one group. Does not own what a row is (billing/usage.py) nor how calls end (gateway/relay.py).
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.rating import rate
from billing.tables import Settlement
from billing.usage import UsageRecord, append_usage
from gateway.errors import MeteringUnavailable
from gateway.flow import Ask, Call, Completion, Principal, Ticket
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable
from infra.metrics import Metrics

_BATCH = 256
_WAITING = 10_000
_RETRY_S = (0.05, 0.1, 0.2, 0.4, 0.8)


def price(
    call: Call,
    principal: Principal | None,
    ask: Ask | None,
    ticket: Ticket | None,
    completion: Completion,
    clock: Clock,
) -> UsageRecord:
    """The row of an ended call: what was consumed, at the ticket's unit prices."""
    billed = ticket is not None and completion.settlement.billable
    first = completion.first_chunk
    return UsageRecord(
        request_id=call.request_id,
        account_id=principal.account_id if principal else None,
        key_id=principal.key_id if principal else None,
        operation=call.operation.value,
        model=ask.model.id if ask else None,
        streamed=ask is not None and ask.stream,
        settlement=completion.settlement,
        status=completion.status,
        error_code=completion.error_code,
        quantities=completion.quantities,
        cost_nano=rate(completion.quantities, ticket.prices) if billed and ticket else 0,
        currency=principal.currency if principal else None,
        started_at=call.started_at,
        duration_us=_micros(clock.monotonic() - call.started),
        first_chunk_us=None if first is None else _micros(first - call.started),
    )


@dataclass(slots=True)
class Waiting:
    """A row on its way; `durable` is done when it is in the database."""

    record: UsageRecord
    durable: asyncio.Future[None]


class UsageWriter:
    """Commits usage rows in groups. `start` it in the event loop; `stop` writes what waits."""

    def __init__(self, database: Database, metrics: Metrics, settle_timeout_s: float) -> None:
        self._database = database
        self._metrics = metrics
        self._timeout_s = settle_timeout_s
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._log = structlog.get_logger()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="usage-writer")

    async def stop(self) -> None:
        """Write what waits, for as long as a caller would wait for it; then stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._queue.join()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def require_ready(self) -> None:
        """Raises MeteringUnavailable while rows cannot be written: nothing new may start then."""
        if self._failing or self._queue.qsize() > _WAITING // 2:
            raise MeteringUnavailable(
                "Usage cannot be recorded just now. Please try again shortly."
            )

    def offer(self, record: UsageRecord) -> "Waiting | None":
        """Queue a row. None where it was let go: a refusal of a stranger, the queue half full.

        Raises MeteringUnavailable where the queue is full.
        """
        if record.account_id is None and self._queue.qsize() > _WAITING // 2:
            self._metrics.settle_dropped.inc()
            return None
        waiting = Waiting(record, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise _withheld() from None
        return waiting

    async def append(self, record: UsageRecord) -> None:
        """Return when the row is durable.

        Raises MeteringUnavailable where that takes too long; the row then says so and bills
        nothing, unless its commit was under way at that very moment.
        """
        waiting = self.offer(record)
        if waiting is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(waiting.durable)
        except TimeoutError:
            waiting.record = unbilled(record, MeteringUnavailable.code)
            raise _withheld() from None

    async def _run(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < _BATCH and not self._queue.empty():
                group.append(self._queue.get_nowait())
            await self._commit(group)
            for _ in group:
                self._queue.task_done()

    async def _commit(self, group: list[Waiting]) -> None:
        """Try until it is done: rows are facts, and a fact that was taken is not let go."""
        attempt = 0
        while True:
            try:
                await self._write(group)
            except DatabaseUnavailable:
                self._failing = True
                self._metrics.settle_failures.inc()
                self._log.error("usage rows wait for the database", rows=len(group))
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1
            except SQLAlchemyError as error:
                await self._isolate(group, error)
                return
            else:
                return

    async def _write(self, group: list[Waiting]) -> None:
        with self._metrics.settle_duration.time():
            async with self._database.transaction() as session:
                await append_usage(session, [waiting.record for waiting in group])
        self._failing = False
        self._metrics.settle_batch.observe(len(group))
        for waiting in group:
            if not waiting.durable.done():
                waiting.durable.set_result(None)

    async def _isolate(self, group: list[Waiting], error: SQLAlchemyError) -> None:
        """The database dislikes a row: the others of its group must not suffer for it."""
        if len(group) > 1:
            for waiting in group:
                await self._commit([waiting])
            return
        self._log.critical("a usage row was refused", row=repr(group[0].record), reason=str(error))
        if not group[0].durable.done():
            group[0].durable.set_exception(_withheld())


def unbilled(record: UsageRecord, code: str | None) -> UsageRecord:
    """The same call, settled as our fault."""
    return replace(record, settlement=Settlement.PLATFORM_FAULT, cost_nano=0, error_code=code)


def _withheld() -> MeteringUnavailable:
    return MeteringUnavailable("The answer could not be recorded, so it is withheld.")


def _micros(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))
