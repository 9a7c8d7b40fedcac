"""The pure decisions: what a provider's answer changes, and when it is asked next."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.collection.payments.provider import (
    PaymentResult,
    RefundResult,
    RefundState,
    TradeState,
)
from billing.collection.payments.results import (
    CreditTarget,
    DiscrepancyKind,
    OrderChange,
    OrderSnapshot,
    OrderState,
    RefundChange,
    apply_payment_result,
    apply_refund_result,
    next_order_poll,
    next_refund_poll,
)

NOW = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
PAID = PaymentResult("n", TradeState.PAID, "t-1", 10_600, "CNY", NOW)
REUSED = DiscrepancyKind.TRANSACTION_REUSED
WAITING = [state for state in OrderState if state is not OrderState.PAID]


def order(state: OrderState = OrderState.PENDING, **values: object) -> OrderSnapshot:
    paid = {"transaction_id": "t-1"} if state is OrderState.PAID else {}
    return OrderSnapshot(state, 10_600, "CNY", **{**paid, **values})  # type: ignore[arg-type]


class TestPayment:
    @pytest.mark.parametrize("state", WAITING)
    def test_payment_is_credited_in_each_state_before_paid(self, state: OrderState) -> None:
        to_wallet = OrderChange(OrderState.PAID, CreditTarget.WALLET)
        assert apply_payment_result(order(state), PAID) == to_wallet
        to_invoice = OrderChange(OrderState.PAID, CreditTarget.INVOICE)
        assert apply_payment_result(order(state, owed=1), PAID) == to_invoice

    @pytest.mark.parametrize("state", [TradeState.PAID, TradeState.REFUNDED])
    def test_repeated_payment_of_paid_order_changes_nothing(self, state: TradeState) -> None:
        again = PaymentResult("n", state, "t-1", 10_600, "CNY", NOW)
        assert apply_payment_result(order(OrderState.PAID), again) == OrderChange(OrderState.PAID)

    @pytest.mark.parametrize("state", OrderState)
    @pytest.mark.parametrize("said", [TradeState.ABSENT, TradeState.PENDING])
    def test_unpaid_result_changes_no_state(self, state: OrderState, said: TradeState) -> None:
        assert apply_payment_result(order(state), PaymentResult("n", said)) == OrderChange(state)

    @pytest.mark.parametrize("said", [TradeState.CLOSED, TradeState.FAILED])
    def test_closed_result_ends_active_orders_only(self, said: TradeState) -> None:
        for state in OrderState:
            ended = OrderState(said.value) if state.is_active else state
            changed = apply_payment_result(order(state), PaymentResult("n", said))
            assert changed == OrderChange(ended)

    @pytest.mark.parametrize(
        ("result", "values", "kind"),
        [
            (("t-1", 10_599, "CNY"), {}, DiscrepancyKind.AMOUNT),
            (("t-1", 10_601, "CNY"), {}, DiscrepancyKind.AMOUNT),
            (("t-1", 10_600, "USD"), {}, DiscrepancyKind.CURRENCY),
            (("t-1", 10_600, "CNY"), {"transaction_taken": True}, REUSED),
        ],
    )  # fmt: skip
    def test_payment_that_differs_is_a_discrepancy_and_ends_active_orders(
        self,
        result: tuple[str, int, str],
        values: dict[str, object],
        kind: DiscrepancyKind,
    ) -> None:
        said = PaymentResult("n", TradeState.PAID, *result)
        for state in WAITING:
            ended = OrderState.FAILED if state.is_active else state
            changed = apply_payment_result(order(state, **values), said)
            assert changed == OrderChange(ended, discrepancy=kind)

    def test_second_transaction_of_paid_order_is_paid_twice(self) -> None:
        second = PaymentResult("n", TradeState.PAID, "t-2", 10_600, "CNY")
        changed = apply_payment_result(order(OrderState.PAID), second)
        assert changed == OrderChange(OrderState.PAID, discrepancy=DiscrepancyKind.PAID_TWICE)

    def test_payment_refunded_before_it_is_recorded_is_not_credited(self) -> None:
        said = PaymentResult("n", TradeState.REFUNDED, "t-1", 10_600, "CNY")
        changed = apply_payment_result(order(), said)
        expected = OrderChange(OrderState.FAILED, discrepancy=DiscrepancyKind.REFUNDED_ELSEWHERE)
        assert changed == expected


class TestRefund:
    @pytest.mark.parametrize("said", RefundState)
    def test_pending_refund_takes_the_provider_s_state(self, said: RefundState) -> None:
        result = RefundResult("r", said, "id", 500)
        assert apply_refund_result(RefundState.PENDING, 500, result) == RefundChange(said)

    @pytest.mark.parametrize("state", [RefundState.SUCCEEDED, RefundState.FAILED])
    def test_ended_refund_stays_as_it_is(self, state: RefundState) -> None:
        for said in RefundState:
            result = RefundResult("r", said, "id", 1)
            assert apply_refund_result(state, 500, result) == RefundChange(state)

    def test_refund_of_another_amount_is_a_discrepancy(self) -> None:
        result = RefundResult("r", RefundState.SUCCEEDED, "id", 499)
        assert apply_refund_result(RefundState.PENDING, 500, result) == RefundChange(
            RefundState.SUCCEEDED, DiscrepancyKind.REFUND_AMOUNT
        )


class TestPollTimes:
    def test_active_order_is_polled_each_ten_seconds_then_each_minute(self) -> None:
        state = OrderState.PENDING
        soon = next_order_poll(state, NOW, None, NOW)
        assert soon == NOW + timedelta(seconds=10)
        later = NOW + timedelta(minutes=3)
        assert next_order_poll(state, NOW, None, later) == later + timedelta(minutes=1)

    def test_ended_order_is_polled_four_times_and_no_more(self) -> None:
        asked, now = [], NOW
        while (due := next_order_poll(OrderState.EXPIRED, NOW, NOW, now)) is not None:
            asked.append((due - NOW).total_seconds() / 60)
            now = due
        assert asked == [10, 60, 360, 1440]

    def test_paid_order_is_not_polled(self) -> None:
        assert next_order_poll(OrderState.PAID, NOW, None, NOW) is None

    @pytest.mark.parametrize(("minutes", "interval_s"), [(0, 30), (10, 600), (360, 3600)])
    def test_refund_is_polled_less_often_with_age(self, minutes: int, interval_s: int) -> None:
        now = NOW + timedelta(minutes=minutes)
        assert next_refund_poll(NOW, now) == now + timedelta(seconds=interval_s)
