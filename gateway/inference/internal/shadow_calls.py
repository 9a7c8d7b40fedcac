"""Shadow calls: a candidate version answers calls of an own model, and nobody waits for it.

    the client's answer is complete -> sample -> wait for a free slot, or drop -> call the candidate
    -> waived usage row -> store both results

A shadow call costs the customer nothing. It is dropped when the queue is full, usage cannot be
recorded, or the model is busy: it must never delay a client's call.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.asgi.memory_exchange import MemoryExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.failure import failed_result
from gateway.call.reservation import Reservation
from gateway.call.tags import VARIANT_TAG, VERSION_TAG
from gateway.call.values import AdmittedCall, Call, CallResult, ServiceTier, ShadowPlan
from gateway.inference.dispatch import Dispatcher
from gateway.inference.endpoints.table import find_endpoint
from gateway.inference.internal.calls import new_internal_call
from gateway.inference.usage.record import build_usage_record
from gateway.inference.usage.writer import UsageWriter
from gateway.observations import shadows
from gateway.observations.answer_rows import read_results
from gateway.registry.variants import PREFIX as VARIANT_PREFIX
from gateway.upstream.concurrency import Schedulers
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

# What waits is bounded; a call of 100 rows is about 30 kB.
_MAX_WAITING, _MAX_WAITING_BYTES = 256, 16 << 20
_TIMEOUT_S = 30.0
# A call with more rows is left out: it takes long, and few of its rows would be stored.
_MAX_ROWS = 1_000
_SAMPLE_RESOLUTION = 1 << 20
_SHADOW_TAG = "shadow"


@dataclass(frozen=True, slots=True)
class _ShadowCall:
    """An answered call whose candidate is to be asked; `answer` is the body that the client got."""

    request_id: UUID
    call: Call
    admitted: AdmittedCall
    plan: ShadowPlan
    answer: bytes

    @property
    def size(self) -> int:
        """The bytes that it keeps in memory."""
        return len(self.answer) + len(self.admitted.request.body)


class ShadowCalls:
    """The shadow calls of one gateway process, one at a time; `counter` counts by outcome."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        schedulers: Schedulers,
        writer: UsageWriter,
        database: Database,
        clock: Clock,
        counter: Counter,
    ) -> None:
        self._dispatcher = dispatcher
        self._schedulers = schedulers
        self._writer = writer
        self._database = database
        self._clock = clock
        self._counter = counter
        self._deadlines = TimeoutWheel()
        self._waiting: deque[_ShadowCall] = deque()
        self._waiting_bytes = 0
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Start the task that asks candidates."""
        self._task = asyncio.create_task(self._run(), name="shadow calls")

    async def stop(self) -> None:
        """Stop the task; calls that wait are dropped."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def wait_until_idle(self) -> None:
        """Wait until no shadow call waits or runs."""
        await self._idle.wait()

    def enqueue(self, call: Call, admitted: AdmittedCall, result: CallResult) -> None:
        """Queue an answered call for its candidate, if it has one and is sampled."""
        name = (admitted.request.tags or {}).get(VARIANT_TAG, "")
        variant = admitted.principal.variants.get(name)
        plan = None if variant is None else variant.shadow
        if plan is None or plan.current_id != admitted.request.variant_id:
            return
        if admitted.request.output_bounds.rows > _MAX_ROWS:
            return
        if plan.ends_at <= self._clock.now() or not _is_sampled(call.request_id, plan.share):
            return
        one = _ShadowCall(call.request_id, call, admitted, plan, result.tail)
        is_full = len(self._waiting) >= _MAX_WAITING
        if is_full or self._waiting_bytes + one.size > _MAX_WAITING_BYTES:
            self._count("dropped")
            return
        self._waiting.append(one)
        self._waiting_bytes += one.size
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        """Ask the candidates of the calls that wait, one after another."""
        while True:
            if not self._waiting:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            one = self._waiting.popleft()
            self._waiting_bytes -= one.size
            try:
                await self._shadow(one)
            except (AppError, SQLAlchemyError) as error:
                self._log.warning("a shadow call was not stored", reason=repr(error))
            except Exception:
                self._log.exception("a shadow call failed")

    async def _shadow(self, one: _ShadowCall) -> None:
        """Ask the candidate, record its usage as waived and store both results."""
        admitted = self._admit(one)
        scheduler = self._schedulers.for_model(admitted.request.model.engine_id)
        if scheduler.is_full(ServiceTier.FLEX) or any(scheduler.waiting.values()):
            self._count("dropped")
            return
        self._writer.require_ready()
        current = await asyncio.to_thread(read_results, one.answer)
        if not current:
            return
        account_id = admitted.principal.account_id
        async with scheduler.slot(ServiceTier.FLEX, account_id):
            result = await self._ask(one, admitted)
        candidate = read_results(result.tail) if result.status == 200 else ()
        async with self._database.transaction() as session:
            if len(candidate) != len(current):
                await shadows.count_failure(session, account_id, one.plan)
                self._count("failed")
                return
            pairs = list(zip(current, candidate, strict=True))
            await shadows.store_answers(
                session, self._clock, account_id, one.plan, one.request_id, pairs
            )
            self._count("answered")

    def _count(self, outcome: str) -> None:
        """Count a sampled call by what became of it."""
        self._counter.labels(outcome).inc()

    async def _ask(self, one: _ShadowCall, admitted: AdmittedCall) -> CallResult:
        """Send the call to the candidate and queue its usage row, however it ends."""
        call = new_internal_call(self._clock, ids.new_id(), find_endpoint(one.call.operation))
        exchange = MemoryExchange(b"")
        client = ClientExchange({}, exchange.receive, exchange.send, self._deadlines)
        try:
            async with client.deadline(_TIMEOUT_S):
                result = await self._dispatcher.send(call, admitted, client)
        except AppError as error:
            result = failed_result(call, error)
        if result.settlement.billable:
            result = replace(result, settlement=Settlement.WAIVED)
        record = build_usage_record(
            call, admitted.principal, admitted.request, admitted, result, self._clock
        )
        record = replace(record, parent_id=one.request_id)
        self._writer.enqueue(record, admitted.reservation)
        return result

    def _admit(self, one: _ShadowCall) -> AdmittedCall:
        """Return the call for the candidate, which reserves none of the account's quotas."""
        admitted, plan = one.admitted, one.plan
        upstream_name = ids.format_id(VARIANT_PREFIX, plan.candidate_id)
        tags = {
            VARIANT_TAG: (admitted.request.tags or {})[VARIANT_TAG],
            VERSION_TAG: str(plan.candidate_version),
            _SHADOW_TAG: ids.format_id(shadows.SHADOW_ID_PREFIX, plan.id),
        }
        request = replace(
            admitted.request,
            path=f"/v2/models/{upstream_name}/infer",
            variant_id=plan.candidate_id,
            service_tier=ServiceTier.FLEX,
            tags=tags,
        )
        reservation = Reservation([], admitted.reservation.process_id)
        return AdmittedCall(admitted.principal, request, admitted.model_prices, reservation)


def _is_sampled(request_id: UUID, share: float) -> bool:
    """Whether a call is one of the share, by the random bits of its id."""
    return request_id.int % _SAMPLE_RESOLUTION < share * _SAMPLE_RESOLUTION
