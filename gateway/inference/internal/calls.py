"""Internal calls: model calls that the gateway makes for an account, such as embedding a document.

    admit -> write the intent -> call the model -> price -> write the usage row

An internal call is admitted, priced and recorded like a client's. Its result may be used only after
its usage row is durable.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol
from uuid import UUID

from billing.metering.usage import UsageRecord
from gateway.call.errors import Unavailable
from gateway.call.failure import failed_result
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, Principal
from gateway.inference.admission import Admission
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.usage.record import build_intent, build_usage_record
from gateway.inference.usage.writer import UsageWriter
from infra.clock import Clock
from infra.errors import AppError

UpstreamWork = Callable[[AdmittedCall], Awaitable[CallResult]]


class InternalCallExecutor(Protocol):
    """Executes internal calls, either on their own or linked to a parent call (linked_calls.py)."""

    def new_call(self, request_id: UUID, endpoint: Endpoint) -> Call:
        """Create the internal call that `execute` runs; it starts now."""
        ...

    async def execute(
        self, call: Call, principal: Principal, request: ParsedRequest, work: UpstreamWork
    ) -> None:
        """Admit the call, run `work` with it and record its usage."""
        ...


def new_internal_call(clock: Clock, request_id: UUID, endpoint: Endpoint) -> Call:
    """Create a call that starts now and has no credentials."""
    return Call(
        request_id=request_id,
        operation=endpoint.operation,
        path=endpoint.path,
        credentials=None,
        headers={},
        model_in_path=None,
        started_at=clock.now(),
        started_monotonic=clock.monotonic(),
    )


class InternalCalls:
    """Executes the internal calls of one gateway process, each with its own usage row."""

    def __init__(self, admission: Admission, writer: UsageWriter, clock: Clock) -> None:
        self._admission = admission
        self._writer = writer
        self._clock = clock

    def new_call(self, request_id: UUID, endpoint: Endpoint) -> Call:
        """Create a call that starts now and has no credentials."""
        return new_internal_call(self._clock, request_id, endpoint)

    async def execute(
        self, call: Call, principal: Principal, request: ParsedRequest, work: UpstreamWork
    ) -> None:
        """Admit the call, run `work` and wait until the usage row is durable.

        Raises the errors of admission and of `work`, and MeteringUnavailable.
        """
        await self.execute_recorded(call, principal, request, work)

    async def execute_recorded(
        self, call: Call, principal: Principal, request: ParsedRequest, work: UpstreamWork
    ) -> UsageRecord:
        """Do as `execute`, and return the usage row."""
        admitted = await self._admission.admit(call, principal, request)
        intent = self._writer.open_intent(partial(build_intent, call, admitted))
        try:
            await self._writer.flush_intent(intent)
            result = await work(admitted)
        except AppError as error:
            result = failed_result(call, error)
            raise
        except BaseException:
            result = failed_result(call, Unavailable("The call was interrupted."))
            raise
        finally:
            record = build_usage_record(call, principal, request, admitted, result, self._clock)
            usage = self._writer.enqueue(record, admitted.reservation, intent)
        if usage is not None:
            await usage.committed
        return record
