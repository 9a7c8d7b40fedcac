"""Pricing: the usage row of a call that has ended, at the unit prices of its ticket.

A row never costs more than was held for its call, so that a cap holds whatever an engine says it
has done; and it always costs exactly what its quantities come to, less the covered units: `charged`
is where both are computed. Pure.
"""

from collections.abc import Mapping
from dataclasses import replace

from billing.metering.quotas import QuotaRef
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import IntentRecord
from billing.rating.quantities import (
    NO_UNITS,
    WHOLE,
    Quantities,
    call_cost,
    units_by_meter,
)
from billing.tables import Settlement
from gateway.call.values import Ask, Call, Completion, Principal, Ticket
from gateway.inference.error_report import ErrorReport
from gateway.quota.allowance import NO_COVER, Cover, by_meter, cover, covered
from infra.clock import Clock

# What the row of a call says that consumed more than was held for it; the rest is not billed.
HOLD_EXCEEDED = "hold_exceeded"
# What is billed less of then; a prompt is billed whole or not.
_BEYOND_PROMPT = (*WHOLE, "output_tokens")


def price(
    call: Call,
    principal: Principal | None,
    ask: Ask | None,
    ticket: Ticket | None,
    completion: Completion,
    clock: Clock,
    report: ErrorReport | None = None,
) -> UsageRecord:
    """The row of an ended call; `ticket` None where it was never admitted."""
    cost, code, quantities, taken = 0, completion.error_code, completion.quantities, NO_COVER
    if ticket is not None and completion.settlement.billable:
        prices, hold = ticket.priced.prices, ticket.hold
        included = hold.included if ticket.priced.included else {}
        cost, taken = charged(quantities, prices, included)
        if cost > hold.money:
            quantities, code = _paid_for(quantities, prices, included, hold.money), HOLD_EXCEEDED
            cost, taken = charged(quantities, prices, included)
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
        quantities=quantities,
        cost_nano=cost,
        currency=principal.currency if principal else None,
        started_at=call.started_at,
        duration_us=_micros(clock.monotonic() - call.started),
        first_chunk_us=None if first is None else _micros(first - call.started),
        plan_version_id=ticket.priced.version_id if ticket else None,
        tags=ask.tags if ask else None,
        covered=by_meter(taken),
        error_message=None if report is None else report.message,
        error_param=None if report is None else report.param,
        requested_model=None if report is None else report.requested_model,
        service_tier=ticket.priced.service_tier if ticket else None,
    )


def charged(
    quantities: Quantities, prices: Mapping[str, int], included: Mapping[QuotaRef, int]
) -> tuple[int, Cover]:
    """What was consumed costs, and what of it the included units cover that are held."""
    if not included:
        return call_cost(quantities, prices), NO_COVER
    free = {quota.id: units for quota, units in included.items()}
    taken = cover(units_by_meter(quantities, prices), included, free)
    return call_cost(quantities, prices, covered(taken)), taken


def _paid_for(
    quantities: Quantities, prices: Mapping[str, int], included: Mapping[QuotaRef, int], money: int
) -> Quantities:
    """As much of what was consumed as the hold pays for: bills count quantities, not costs."""
    least = replace(quantities, **dict.fromkeys(_BEYOND_PROMPT, 0))
    if charged(least, prices, included)[0] > money:
        return Quantities(**NO_UNITS)
    for meter in _BEYOND_PROMPT:
        price, wanted = prices.get(meter, 0), quantities.of(meter)
        left = money - charged(least, prices, included)[0]
        free = sum(units for quota, units in included.items() if quota.meter == meter)
        afforded = free + left // price if price else wanted
        least = replace(least, **{meter: min(wanted, afforded)})
    return least


def unbilled(record: UsageRecord, code: str | None) -> UsageRecord:
    """The same call, settled as our fault."""
    fault = Settlement.PLATFORM_FAULT
    return replace(record, settlement=fault, cost_nano=0, covered=None, error_code=code)


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
