"""Builds the usage row of an ended call, priced at the unit prices of its admission.

A row never costs more than was reserved for its call, whatever quantities the engine reports. Its
cost is always exactly the price of its quantities less the units covered by allowances, both of
which `charge_with_allowances` computes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from billing.metering.quotas import QuotaRef
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import IntentRecord
from billing.rating.quantities import (
    NO_UNITS,
    NO_USAGE,
    NON_TOKEN_METERS,
    Quantities,
    call_cost,
    units_by_meter,
)
from billing.tables import Settlement
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, Principal
from gateway.inference.usage.error_report import ErrorReport
from gateway.quota.allowance import (
    NO_ALLOWANCE_USE,
    AllowanceUse,
    apply_allowances,
    covered_by_meter_and_quota,
    covered_units_by_meter,
)
from infra.clock import Clock

# Error code of the row of a call that consumed more than was reserved; the rest is not billed.
RESERVATION_EXCEEDED = "hold_exceeded"
# The meters that are then reduced; a prompt is billed in full or not at all.
_NON_PROMPT_METERS = (*NON_TOKEN_METERS, "output_tokens")


def build_usage_record(
    call: Call,
    principal: Principal | None,
    request: ParsedRequest | None,
    admitted: AdmittedCall | None,
    result: CallResult,
    clock: Clock,
    error_report: ErrorReport | None = None,
) -> UsageRecord:
    """Return the usage row of an ended call; `admitted` is None if it was not admitted."""
    cost, error_code = 0, result.error_code
    quantities, allowance_use = result.quantities, NO_ALLOWANCE_USE
    if admitted is not None and result.settlement.billable:
        prices, reservation = admitted.model_prices.prices, admitted.reservation
        allowances = reservation.reserved_allowances if admitted.model_prices.allowances else {}
        cost, allowance_use = charge_with_allowances(quantities, prices, allowances)
        if cost > reservation.max_cost_nano:
            limit = reservation.max_cost_nano
            quantities = _limit_to_reservation(quantities, prices, allowances, limit)
            error_code = RESERVATION_EXCEEDED
            cost, allowance_use = charge_with_allowances(quantities, prices, allowances)
    first_chunk = result.first_chunk_monotonic
    return UsageRecord(
        request_id=call.request_id,
        account_id=principal.account_id if principal else None,
        key_id=principal.key_id if principal else None,
        operation=call.operation.value,
        model=request.model.id if request else None,
        streamed=request is not None and request.stream,
        settlement=result.settlement,
        status=result.status,
        error_code=error_code,
        quantities=quantities,
        cost_nano=cost,
        currency=principal.currency if principal else None,
        started_at=call.started_at,
        duration_us=_microseconds(clock.monotonic() - call.started_monotonic),
        first_chunk_us=None
        if first_chunk is None
        else _microseconds(first_chunk - call.started_monotonic),
        plan_version_id=admitted.model_prices.plan_version_id if admitted else None,
        tags=request.tags if request else None,
        covered=covered_by_meter_and_quota(allowance_use),
        error_message=None if error_report is None else error_report.message,
        error_param=None if error_report is None else error_report.param,
        requested_model=None if error_report is None else error_report.requested_model,
        service_tier=admitted.model_prices.service_tier if admitted else None,
        upstream=None if result.upstream is None else result.upstream.name,
        upstream_cost_nano=_upstream_cost(result, principal),
        project_id=principal.project_id if principal else None,
    )


def _upstream_cost(result: CallResult, principal: Principal | None) -> int | None:
    """Return what the operator pays for the consumed quantities; None if it is not known.

    All that was consumed is paid, also what is not charged to the customer. Without a cost price
    for a consumed meter the cost is unknown, which is not zero.
    """
    if result.upstream is None or principal is None:
        return None
    prices = result.upstream.cost.get(principal.currency)
    if not prices or result.quantities == NO_USAGE:
        return None
    units = units_by_meter(result.quantities, prices)
    if any(count and meter not in prices for meter, count in units.items()):
        return None
    return call_cost(result.quantities, prices)


def charge_with_allowances(
    quantities: Quantities, prices: Mapping[str, int], allowances: Mapping[QuotaRef, int]
) -> tuple[int, AllowanceUse]:
    """Return the cost in nano-units and the reserved allowance units that reduce it."""
    if not allowances:
        return call_cost(quantities, prices), NO_ALLOWANCE_USE
    available: Counter[str] = Counter()
    for quota, units in allowances.items():
        available[quota.id] += units
    allowance_use = apply_allowances(units_by_meter(quantities, prices), allowances, available)
    return call_cost(quantities, prices, covered_units_by_meter(allowance_use)), allowance_use


def _limit_to_reservation(
    quantities: Quantities,
    prices: Mapping[str, int],
    allowances: Mapping[QuotaRef, int],
    max_cost_nano: int,
) -> Quantities:
    """Return the consumed quantities reduced to what the reservation pays for.

    Invoices count quantities, so the cost alone cannot be reduced.
    """
    nothing = dict.fromkeys(NON_TOKEN_METERS, 0)
    billed = replace(quantities.with_output_tokens(0), **nothing)
    if charge_with_allowances(billed, prices, allowances)[0] > max_cost_nano:
        return Quantities(**NO_UNITS)
    for meter in _NON_PROMPT_METERS:
        unit_price, consumed = prices.get(meter, 0), quantities.get(meter)
        remaining_money = max_cost_nano - charge_with_allowances(billed, prices, allowances)[0]
        available = sum(units for quota, units in allowances.items() if quota.meter == meter)
        affordable = available + remaining_money // unit_price if unit_price else consumed
        billed = replace(billed, **{meter: min(consumed, affordable)})
    kept = quantities.with_output_tokens(billed.get("output_tokens"))
    return replace(billed, reasoning_tokens=kept.reasoning_tokens)


def as_unbilled(record: UsageRecord, error_code: str | None) -> UsageRecord:
    """Return the usage row as a platform fault with this error code, which costs nothing."""
    settlement = Settlement.PLATFORM_FAULT
    return replace(record, settlement=settlement, cost_nano=0, covered=None, error_code=error_code)


def build_intent(call: Call, admitted: AdmittedCall) -> IntentRecord:
    """Return the write-ahead row (intent) of a call, committed before its answer is sent."""
    principal, request = admitted.principal, admitted.request
    return IntentRecord(
        request_id=call.request_id,
        account_id=principal.account_id,
        key_id=principal.key_id,
        operation=call.operation.value,
        model=request.model.id,
        streamed=request.stream,
        held_nano=admitted.reservation.max_cost_nano,
        currency=principal.currency,
        started_at=call.started_at,
        project_id=principal.project_id,
    )


def _microseconds(seconds: float) -> int:
    """Return seconds as whole microseconds, at least 0."""
    return max(0, round(seconds * 1_000_000))
