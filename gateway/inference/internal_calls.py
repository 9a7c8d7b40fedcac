"""Inner calls: what the gateway itself asks of a model for an account, beside the account's calls.

    hold -> say that it is open -> work -> price -> write down

Owns that order, which is that of any call: it is held, priced and written down, and what it gave is
used only once its row is durable.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol
from uuid import UUID

from gateway.call.errors import Unavailable
from gateway.call.failure import refused
from gateway.call.values import Ask, Call, Completion, Operation, Principal, Ticket
from gateway.inference.admission import Admission
from gateway.inference.usage_record import intent_of, price
from gateway.inference.usage_writer import UsageWriter
from infra.clock import Clock
from infra.errors import AppError

Work = Callable[[Ticket], Awaitable[Completion]]


class Making(Protocol):
    """A way to make internal calls: each for itself, or linked to a call (linked_calls.py)."""

    def call(self, request_id: UUID, operation: Operation, path: str) -> Call: ...

    async def make(self, call: Call, principal: Principal, ask: Ask, work: Work) -> None: ...


def inner_call(clock: Clock, request_id: UUID, operation: Operation, path: str) -> Call:
    """A call as if it had just come in, from nobody."""
    return Call(
        request_id=request_id,
        operation=operation,
        path=path,
        credentials=None,
        headers={},
        model_in_path=None,
        started_at=clock.now(),
        started=clock.monotonic(),
    )


class InnerCalls:
    """Of one gateway process."""

    def __init__(self, admission: Admission, writer: UsageWriter, clock: Clock) -> None:
        self._admission = admission
        self._writer = writer
        self._clock = clock

    def call(self, request_id: UUID, operation: Operation, path: str) -> Call:
        """A call as if it had just come in, from nobody."""
        return inner_call(self._clock, request_id, operation, path)

    async def make(self, call: Call, principal: Principal, ask: Ask, work: Work) -> None:
        """Return when the row is durable. Raises what it is refused for, and what `work` does."""
        ticket = await self._admission.admit(call, principal, ask)
        opened = self._writer.intend(partial(intent_of, call, ticket))
        try:
            await self._writer.ensure(opened)
            completion = await work(ticket)
        except AppError as error:
            completion = refused(call, error)
            raise
        except BaseException:
            completion = refused(call, Unavailable("The call was interrupted."))
            raise
        finally:
            record = price(call, principal, ask, ticket, completion, self._clock)
            ending = self._writer.offer(record, ticket.hold, opened)
        if ending is not None:
            await ending.durable
