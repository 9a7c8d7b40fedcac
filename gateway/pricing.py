"""Pricing: the usage row of a call that has ended, at the unit prices of its ticket.

Owns what a row says. A row never costs more than was held for its call, so that a cap holds
whatever an engine says it has done. Pure.
"""

from dataclasses import replace

from billing.rating import rate
from billing.recording import IntentRecord
from billing.tables import Settlement
from billing.usage import UsageRecord
from gateway.flow import Ask, Call, Completion, Principal, Ticket
from infra.clock import Clock

# What the row of a call says that consumed more than was held for it; the rest is not billed.
HOLD_EXCEEDED = "hold_exceeded"


def price(
    call: Call,
    principal: Principal | None,
    ask: Ask | None,
    ticket: Ticket | None,
    completion: Completion,
    clock: Clock,
) -> UsageRecord:
    """The row of an ended call; `ticket` None where it was never admitted."""
    cost, code = 0, completion.error_code
    if ticket is not None and completion.settlement.billable:
        cost = rate(completion.quantities, ticket.prices)
        if cost > ticket.hold.money:
            cost, code = ticket.hold.money, HOLD_EXCEEDED
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
        error_code=code,
        quantities=completion.quantities,
        cost_nano=cost,
        currency=principal.currency if principal else None,
        started_at=call.started_at,
        duration_us=_micros(clock.monotonic() - call.started),
        first_chunk_us=None if first is None else _micros(first - call.started),
    )


def unbilled(record: UsageRecord, code: str | None) -> UsageRecord:
    """The same call, settled as our fault."""
    return replace(record, settlement=Settlement.PLATFORM_FAULT, cost_nano=0, error_code=code)


def intent_of(call: Call, ticket: Ticket) -> IntentRecord:
    """What is written of a call before it is sent."""
    principal, ask = ticket.principal, ticket.ask
    return IntentRecord(
        request_id=call.request_id,
        account_id=principal.account_id,
        key_id=principal.key_id,
        operation=call.operation.value,
        model=ask.model.id,
        streamed=ask.stream,
        held_nano=ticket.hold.money,
        currency=principal.currency,
        started_at=call.started_at,
    )


def _micros(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))
