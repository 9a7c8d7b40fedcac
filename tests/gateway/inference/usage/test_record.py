"""Usage records: their fields, and a cost that never exceeds the reservation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.quotas import QuotaRef
from billing.metering.usage import UsageRecord
from billing.rating.quantities import NO_USAGE, NON_TOKEN_METERS, Quantities, rate
from billing.tables import QuotaKind, Settlement
from gateway.call.reservation import Lease, Reservation, ReservedUnits
from gateway.call.values import (
    AdmittedCall,
    Call,
    CallResult,
    ModelPrices,
    Operation,
    ParsedRequest,
    Principal,
)
from gateway.inference.usage.record import (
    RESERVATION_EXCEEDED,
    as_unbilled,
    build_intent,
    build_usage_record,
)
from infra import ids
from tests.support.builders import CATALOG, CHAT
from tests.support.gateway.quotas import allowance, quota

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
PRICES = {"input_tokens": 500, "output_tokens": 2000}
COUNTS = st.integers(0, 10_000)


@dataclass(frozen=True)
class At:
    """A clock fixed at this many seconds."""

    seconds: float

    def now(self) -> datetime:
        return START

    def monotonic(self) -> float:
        return self.seconds


CALL = Call(ids.new_id(), Operation.CHAT, "/v1/chat/completions", None, {}, None, START, 100.0)
ASK = ParsedRequest(CATALOG.models[CHAT], "/", b"", {}, lambda _: NO_USAGE, stream=True)
CALLER = Principal(ids.new_id(), ids.new_id(), "CNY")
DONE = CallResult(Settlement.COMPLETE, 200, b"", {}, Quantities(input_tokens=2, output_tokens=5))


def ticket(credit: int, budget: int | None = None) -> AdmittedCall:
    """An admitted call that reserves this credit, and the same or the stated amount of the key's
    budget."""
    units = {QuotaKind.CREDIT: credit, QuotaKind.BUDGET: credit if budget is None else budget}
    held = [ReservedUnits(quota(kind), Lease(kind), amount) for kind, amount in units.items()]
    return AdmittedCall(
        CALLER, ASK, ModelPrices(ids.new_id(), PRICES), Reservation(held, ids.new_id())
    )


OWN, SHARED = allowance("output_tokens"), allowance("output_tokens", "*")
READ = allowance("input_tokens")


def including(credit: int, included: dict[QuotaRef, int]) -> AdmittedCall:
    """The same call with included units, those of all models first, as an extension may leave
    them."""
    made = ticket(credit)
    held = [ReservedUnits(one, Lease(one.kind), units) for one, units in included.items()]
    made.reservation.merge(Reservation(held[::-1], made.reservation.process_id))
    return replace(made, model_prices=replace(made.model_prices, allowances=(OWN, SHARED, READ)))


class TestIncludedUnits:
    """2 input and 5 output tokens: 2 x 500 + 5 x 2000, less included units."""

    def test_included_units_are_free(self) -> None:
        of = including(1_000, {OWN: 4, SHARED: 9})
        row = build_usage_record(CALL, CALLER, ASK, of, DONE, At(100.0))
        assert (row.cost_nano, row.error_code) == (1_000, None)
        assert row.covered == {"output_tokens": {OWN.id: 4, SHARED.id: 1}}
        assert row.covered_units_by_quota == {OWN.id: 4, SHARED.id: 1}
        assert row.quantities == DONE.quantities

    def test_fully_included_call_needs_no_credit(self) -> None:
        of = including(0, {OWN: 5, READ: 7})
        row = build_usage_record(CALL, CALLER, ASK, of, DONE, At(100.0))
        assert (row.cost_nano, row.error_code) == (0, None)
        assert row.covered == {"output_tokens": {OWN.id: 5}, "input_tokens": {READ.id: 2}}

    def test_usage_over_reservation_is_billed_up_to_reserved_units_and_credit(self) -> None:
        """1000 for the prompt, and 2000 for one more token than the 3 that are included."""
        row = build_usage_record(CALL, CALLER, ASK, including(3_000, {OWN: 3}), DONE, At(100.0))
        assert (row.cost_nano, row.error_code) == (3_000, RESERVATION_EXCEEDED)
        assert row.quantities == Quantities(2, None, 4, *[0] * len(NON_TOKEN_METERS))
        assert row.covered == {"output_tokens": {OWN.id: 3}}

    def test_prompt_over_reservation_is_not_billed(self) -> None:
        row = build_usage_record(CALL, CALLER, ASK, including(999, {OWN: 3}), DONE, At(100.0))
        assert (row.quantities, row.covered) == (NO_USAGE + NO_USAGE, None)
        assert (row.cost_nano, row.error_code) == (0, RESERVATION_EXCEEDED)

    @pytest.mark.parametrize("settlement", [one for one in Settlement if not one.billable])
    def test_unbilled_call_uses_no_included_units(self, settlement: Settlement) -> None:
        completion = replace(DONE, settlement=settlement)
        row = build_usage_record(CALL, CALLER, ASK, including(0, {OWN: 9}), completion, At(100.0))
        assert (row.covered, row.covered_units_by_quota) == (None, {})

    def test_call_marked_unbilled_returns_its_included_units(self) -> None:
        row = build_usage_record(CALL, CALLER, ASK, including(1_000, {OWN: 9}), DONE, At(100.0))
        assert as_unbilled(row, "late").covered is None

    @given(COUNTS, COUNTS, st.integers(0, 10**8), COUNTS, COUNTS)
    def test_billed_usage_is_paid_or_reserved_as_included(
        self, prompt: int, output: int, money: int, own: int, shared: int
    ) -> None:
        completion = replace(DONE, quantities=Quantities(prompt, None, output))
        of = including(money, {OWN: own, SHARED: shared})
        row = build_usage_record(CALL, CALLER, ASK, of, completion, At(100.0))
        taken = row.covered_units_by_quota
        assert taken.get(OWN.id, 0) <= own
        assert taken.get(SHARED.id, 0) <= shared
        free = sum(taken.values()) * PRICES["output_tokens"]
        assert rate(row.quantities, PRICES) - free == row.cost_nano <= money


class TestCost:
    def test_complete_call_fills_all_fields(self) -> None:
        completion = replace(DONE, first_chunk_monotonic=100.25)
        row = build_usage_record(CALL, CALLER, ASK, ticket(20_000), completion, At(101.5))
        assert (row.request_id, row.account_id, row.key_id) == (
            CALL.request_id,
            CALLER.account_id,
            CALLER.key_id,
        )
        assert (row.operation, row.model, row.streamed, row.status) == ("chat", CHAT, True, 200)
        assert (row.settlement, row.error_code) == (Settlement.COMPLETE, None)
        assert (row.quantities, row.cost_nano, row.currency) == (DONE.quantities, 11_000, "CNY")
        assert (row.started_at, row.duration_us, row.first_chunk_us) == (START, 1_500_000, 250_000)

    def test_unauthenticated_call_has_no_account_model_or_cost(self) -> None:
        refused = replace(DONE, settlement=Settlement.REFUSED, status=401, quantities=NO_USAGE)
        row = build_usage_record(CALL, None, None, None, refused, At(100.0))
        assert (row.account_id, row.key_id, row.model, row.currency) == (None, None, None, None)
        assert (row.streamed, row.cost_nano, row.first_chunk_us) == (False, 0, None)

    @pytest.mark.parametrize("settlement", [one for one in Settlement if not one.billable])
    def test_unbilled_settlement_costs_zero(self, settlement: Settlement) -> None:
        completion = replace(DONE, settlement=settlement, error_code="why")
        row = build_usage_record(CALL, CALLER, ASK, ticket(20_000), completion, At(100.0))
        assert (row.cost_nano, row.error_code, row.quantities) == (0, "why", DONE.quantities)

    def test_client_abort_is_billed(self) -> None:
        completion = replace(DONE, settlement=Settlement.CLIENT_ABORT)
        row = build_usage_record(CALL, CALLER, ASK, ticket(20_000), completion, At(100.0))
        assert row.cost_nano == 11_000

    def test_cost_is_capped_by_reservation_in_whole_tokens(self) -> None:
        """1000 for the prompt, and as many whole tokens as the remaining 9000 pays for: 4 of 5."""
        row = build_usage_record(CALL, CALLER, ASK, ticket(10_000), DONE, At(100.0))
        assert (row.cost_nano, row.error_code) == (9_000, RESERVATION_EXCEEDED)
        assert (row.quantities.input_tokens, row.quantities.output_tokens) == (2, 4)
        exact = build_usage_record(CALL, CALLER, ASK, ticket(11_000), DONE, At(100.0))
        assert (exact.cost_nano, exact.error_code) == (11_000, None)

    def test_cost_is_capped_by_the_smallest_reservation(self) -> None:
        row = build_usage_record(CALL, CALLER, ASK, ticket(20_000, budget=7_000), DONE, At(100.0))
        assert (row.cost_nano, row.error_code) == (7_000, RESERVATION_EXCEEDED)
        assert row.quantities.output_tokens == 3

    def test_call_without_reservation_costs_zero(self) -> None:
        """Its upper bound was zero, so nothing can be charged whatever usage the engine reports."""
        free = replace(ticket(0), reservation=Reservation([], ids.new_id()))
        row = build_usage_record(CALL, CALLER, ASK, free, DONE, At(100.0))
        assert (row.cost_nano, row.error_code) == (0, RESERVATION_EXCEEDED)

    def test_clock_that_runs_backwards_gives_duration_zero(self) -> None:
        row = build_usage_record(CALL, CALLER, ASK, ticket(20_000), DONE, At(99.0))
        assert row.duration_us == 0

    @given(COUNTS, COUNTS, st.integers(0, 10**8), st.sampled_from(Settlement))
    def test_cost_exceeds_neither_reservation_nor_usage(
        self, prompt: int, output: int, held: int, settlement: Settlement
    ) -> None:
        quantities = Quantities(input_tokens=prompt, output_tokens=output)
        completion = replace(DONE, quantities=quantities, settlement=settlement)
        row = build_usage_record(CALL, CALLER, ASK, ticket(held), completion, At(100.0))
        due = rate(quantities, PRICES) if settlement.billable else 0
        assert row.cost_nano <= min(held, due)
        # Invoices rate quantities: the cost equals the row's rated quantities, not the reservation.
        if settlement.billable:
            assert rate(row.quantities, PRICES) == row.cost_nano
            if due > held >= prompt * PRICES["input_tokens"]:
                assert held - rate(row.quantities, PRICES) < max(PRICES.values())
        assert (row.error_code == RESERVATION_EXCEEDED) == (due > held)

    def test_output_beyond_reservation_keeps_its_reasoning_tokens(self) -> None:
        used = Quantities(input_tokens=2, output_tokens=90, reasoning_tokens=80)
        held = rate(Quantities(input_tokens=2, output_tokens=85), PRICES)
        completion = replace(DONE, quantities=used)
        row = build_usage_record(CALL, CALLER, ASK, ticket(held), completion, At(100.0))
        assert (row.quantities.output_tokens, row.quantities.reasoning_tokens) == (85, 80)
        less = rate(Quantities(input_tokens=2, output_tokens=30), PRICES)
        row = build_usage_record(CALL, CALLER, ASK, ticket(less), completion, At(100.0))
        assert (row.quantities.output_tokens, row.quantities.reasoning_tokens) == (30, 30)


class TestNonTokenCost:
    """Images cost 30 nano-units and seconds 11. Whole units beyond the reservation are not
    billed."""

    PRICES: Mapping[str, int] = {"images": 30, "adaptation_seconds": 11}

    def priced(self, held: int, included: dict[QuotaRef, int], **units: int) -> UsageRecord:
        of = including(held, included)
        of = replace(
            of,
            model_prices=replace(of.model_prices, prices=self.PRICES, allowances=tuple(included)),
        )
        return build_usage_record(
            CALL, CALLER, ASK, of, replace(DONE, quantities=Quantities(**units)), At(100)
        )

    @pytest.mark.parametrize(
        ("held", "images", "seconds", "billed", "cost"),
        [
            (360 + 990, 12, 90, (12, 90), 1_350),
            (1_349, 12, 90, (12, 89), 1_339),
            (365, 12, 90, (12, 0), 360),
            (89, 12, 0, (2, 0), 60),
            (0, 12, 90, (0, 0), 0),
        ],
    )
    def test_cost_is_capped_by_reservation_in_whole_units(
        self, held: int, images: int, seconds: int, billed: tuple[int, int], cost: int
    ) -> None:
        row = self.priced(held, {}, images=images, adaptation_seconds=seconds)
        of = row.quantities
        assert ((of.images, of.adaptation_seconds), row.cost_nano) == (billed, cost)
        assert (row.error_code == RESERVATION_EXCEEDED) == (held < 30 * images + 11 * seconds)

    def test_included_seconds_are_free(self) -> None:
        seconds = allowance("adaptation_seconds")
        row = self.priced(30, {seconds: 600}, images=1, adaptation_seconds=90)
        assert (row.cost_nano, row.error_code) == (30, None)
        assert row.covered == {"adaptation_seconds": {seconds.id: 90}}


class TestUnbilledRecord:
    def test_late_record_is_settled_as_platform_fault_without_cost(self) -> None:
        row = build_usage_record(CALL, CALLER, ASK, ticket(20_000), DONE, At(100.0))
        ours = as_unbilled(row, "late")
        assert (ours.settlement, ours.cost_nano) == (Settlement.PLATFORM_FAULT, 0)
        assert (ours.error_code, ours.quantities) == ("late", row.quantities)


class TestIntent:
    def test_intent_has_call_fields_and_reserved_amount(self) -> None:
        intent = build_intent(CALL, ticket(20_000, budget=7_000))
        assert (intent.request_id, intent.account_id) == (CALL.request_id, CALLER.account_id)
        assert (intent.key_id, intent.model) == (CALLER.key_id, CHAT)
        assert (intent.operation, intent.streamed, intent.currency) == ("chat", True, "CNY")
        assert (intent.held_nano, intent.started_at) == (7_000, START)
