"""Linked calls: what the gateway asks of other models for one call, under that call's decision.

    hold for each -> admit the call itself -> make them -> settle all of it together

They are held for before the call is admitted and sent after it, so that a call that is refused has
asked nothing. Their rows name the call by `parent_id`, are written in its commit, and cost nothing
where it costs nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from billing.metering.usage import UsageRecord
from billing.rating.quantities import NOTHING
from gateway.call.values import Ask, Call, Operation, Principal, Ticket
from gateway.inference.admission import Admission
from gateway.inference.internal_calls import Work, inner_call
from gateway.inference.pending_writes import Inner
from gateway.inference.usage_record import price
from infra import ids
from infra.clock import Clock


class LinkedCalls:
    """Those of one call; at most one of each model."""

    def __init__(self, parent: Call, admission: Admission, clock: Clock) -> None:
        self._parent = parent
        self._admission = admission
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}
        self._made: dict[str, UsageRecord] = {}

    @property
    def held(self) -> int:
        """What all of them can cost at most, in nano-units."""
        return sum(ticket.hold.money for ticket in self._tickets.values())

    async def hold(self, principal: Principal, asks: Iterable[Ask]) -> None:
        """Hold for each of these. Raises what a call can be refused for."""
        for ask in asks:
            call = self.call(ids.new_id(), Operation.EMBEDDINGS, ask.path)
            ticket = await self._admission.admit_inner(call, principal, ask)
            self._tickets[ask.model.id] = ticket

    def call(self, request_id: UUID, operation: Operation, path: str) -> Call:
        """A call as if it had just come in, from nobody."""
        return inner_call(self._clock, request_id, operation, path)

    async def make(self, call: Call, principal: Principal, ask: Ask, work: Work) -> None:
        """Do the work; its row waits until the parent is settled. Raises what `work` does."""
        ticket = replace(self._tickets[ask.model.id], ask=ask)
        completion = await work(ticket)
        record = price(call, principal, ask, ticket, completion, self._clock)
        self._made[ask.model.id] = replace(record, parent_id=self._parent.request_id)

    def settle(self, parent: UsageRecord) -> tuple[Inner, ...]:
        """The rows to write with the parent's. What was held for calls that were not made is free
        again at once. A second time there are none."""
        tickets, self._tickets = self._tickets, {}
        for model, ticket in tickets.items():
            if model not in self._made:
                self._admission.release(ticket)
        return tuple(
            Inner(_settled(record, parent), tickets[model].hold)
            for model, record in self._made.items()
            if model in tickets
        )


def _settled(record: UsageRecord, parent: UsageRecord) -> UsageRecord:
    """An inner call is billed if its parent is, and has delivered anything."""
    if parent.settlement.billable and parent.quantities != NOTHING:
        return record
    left = parent.settlement.billable
    return replace(
        record,
        settlement=parent.settlement,
        status=parent.status,
        error_code=parent.error_code,
        quantities=NOTHING if left else record.quantities,
        cost_nano=0,
        covered=None,
    )
