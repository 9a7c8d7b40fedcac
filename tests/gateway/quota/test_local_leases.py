"""Leases of one gateway process in memory: reserving, borrowing and returning units."""

from dataclasses import replace

import pytest

from billing.metering.leases import LeaseChange
from billing.tables import QuotaKind
from gateway.quota.local_leases import LocalLeases
from tests.gateway.quota.lease_samples import (
    CALL,
    CREDIT,
    PROCESS,
    STREAMS,
    TOKENS,
    having,
    hold,
    idle,
    read,
)
from tests.support.gateway.quotas import ALL, quota


class TestReservation:
    def test_reservation_takes_available_units_only(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        assert holdings.try_reserve([(CREDIT, 41)], PROCESS, 0.0) is None
        hold(holdings, 40)

    def test_reservation_without_lease_fails(self) -> None:
        assert LocalLeases().try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None

    def test_reservation_during_lease_change_fails(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        assert holdings.try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None
        holdings.update({CREDIT.id: read(100)})
        hold(holdings, 100)

    def test_reservation_fails_while_other_calls_wait(self) -> None:
        holdings = having(100)
        holdings.add_waiting([CREDIT.id])
        holdings.add_waiting([CREDIT.id])
        holdings.remove_waiting([CREDIT.id])
        assert holdings.try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None
        holdings.remove_waiting([CREDIT.id])
        hold(holdings, 1)


class TestDemandReservation:
    def test_full_reservation_succeeds_once(self) -> None:
        holdings = having(100)
        holdings.add_waiting([CREDIT.id])  # it is the waiting call itself
        assert holdings.try_full(CALL, PROCESS, 0.0) is not None
        assert holdings.try_full(CALL, PROCESS, 0.0) is None

    def test_full_reservation_fails_during_change_or_without_lease(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        assert holdings.try_full(CALL, PROCESS, 0.0) is None
        assert LocalLeases().try_full(CALL, PROCESS, 0.0) is None

    def test_partial_reservation_takes_available_units(self) -> None:
        holdings = having(30)
        fitted = holdings.try_partial(CALL, PROCESS, 0.0)
        assert fitted is not None
        demand, made = fitted
        assert (demand.output_tokens, made.max_cost_nano, made.process_id) == (30, 30, PROCESS)
        assert holdings.get_lease(CREDIT.id).available(0.0) == 0

    def test_partial_reservation_below_minimum_fails(self) -> None:
        assert having(9).try_partial(CALL, PROCESS, 0.0) is None


class TestQuotaSnapshot:
    def test_snapshot_is_none_before_first_read(self) -> None:
        holdings = LocalLeases()
        assert holdings.snapshot(CREDIT.id) is None
        holdings.borrow_plan([CALL], 0.0)
        assert holdings.snapshot(CREDIT.id) is None
        assert holdings.quota_ids() == [CREDIT.id]

    def test_snapshot_includes_calls_settled_since_read(self) -> None:
        holdings = having(100, consumed=7, leased_elsewhere=3)
        hold(holdings, 60).settle(20, 0, 0.0)
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=27, leased_elsewhere=3, used=20)
        holdings.update({CREDIT.id: read(100, consumed=27, used=20)})
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=27, used=20)

    def test_call_read_before_settlement_counts_once(self) -> None:
        """The call's row was read before its reservation was settled here."""
        holdings = having(100, consumed=7)
        running = hold(holdings, 60)
        holdings.update({CREDIT.id: read(100, consumed=67, used=60)})
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=7)
        running.settle(60, 0, 0.0)
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=67, used=60)
        assert holdings.can_borrow(CREDIT.id, 1000 - 67)


class TestRateLimitRemaining:
    @pytest.mark.parametrize("amount", [None, 100])
    def test_remaining_is_none_before_first_read(self, amount: int | None) -> None:
        holdings = LocalLeases()
        assert holdings.rate_limit_remaining(TOKENS.id, 0.0) is None
        holdings.borrow_plan([replace(CALL, quotas=(TOKENS,))], 0.0)
        assert holdings.rate_limit_remaining(TOKENS.id, 0.0) is None

    def test_remaining_without_limit_is_none(self) -> None:
        holdings = having(100, TOKENS)
        holdings.update({TOKENS.id: read(100, amount=None)})
        assert holdings.rate_limit_remaining(TOKENS.id, 0.0) is None

    def test_remaining_excludes_units_used_within_a_minute(self) -> None:
        holdings = having(100, TOKENS, leased_elsewhere=300)
        hold(holdings, 60, TOKENS).settle(0, 20, 0.5)
        assert holdings.rate_limit_remaining(TOKENS.id, 1.0) == (680, 60.0)
        assert holdings.rate_limit_remaining(TOKENS.id, 61.0) == (700, 0.0)

    def test_remaining_is_never_negative(self) -> None:
        assert having(100, TOKENS, leased_elsewhere=5000).rate_limit_remaining(TOKENS.id, 0.0) == (
            0,
            0.0,
        )


class TestBorrowPlan:
    def test_plan_lists_needs_of_waiting_calls_in_order(self) -> None:
        short = replace(CALL, output_tokens=5)
        wishes = LocalLeases().borrow_plan([CALL, short], 0.0)
        assert wishes == {CREDIT.id: LeaseChange(needs=((100, 10), (5, 5)), prefetch_units=800)}

    def test_plan_covers_every_quota_of_the_call(self) -> None:
        wishes = LocalLeases().borrow_plan([replace(CALL, quotas=ALL, streams=1)], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            quota(QuotaKind.CREDIT).id: ((100, 10),),
            quota(QuotaKind.BUDGET).id: ((100, 10),),
            quota(QuotaKind.TOKENS).id: ((100, 10),),
            quota(QuotaKind.STREAMS).id: ((1, 1),),
        }

    def test_plan_returns_units_too_few_for_the_call(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].returned_units == 40

    def test_busy_lease_prefetches_units_for_some_seconds(self) -> None:
        holdings = having(1000)
        for _ in range(10):
            hold(holdings, 50)
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].prefetch_units == 4 * 500
        assert idle(holdings).borrow_plan([CALL], 0.0)[CREDIT.id].prefetch_units == 4 * 500
        assert idle(holdings).borrow_plan([CALL], 0.0)[CREDIT.id].prefetch_units == 800

    def test_units_are_not_returned_again_after_lost_response(self) -> None:
        """Units that seem available may have been returned already: the remaining ones may be
        reserved."""
        holdings = having(100)
        hold(holdings, 60)
        holdings.begin_change(holdings.borrow_plan([CALL], 0.0))
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].returned_units == 0
        holdings.update({CREDIT.id: read(60)})
        assert holdings.get_lease(CREDIT.id).available(0.0) == 0

    def test_lease_below_reserved_units_returns_zero_units(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        holdings.update({CREDIT.id: read(50)})
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].returned_units == 0


class TestReturnPlan:
    def test_idle_lease_is_closed(self) -> None:
        holdings = having(100)
        assert holdings.return_plan(set(), False, 0.0) == {}
        assert holdings.return_plan(set(), True, 0.0) == {CREDIT.id: LeaseChange(close=True)}

    def test_reserved_lease_is_not_closed(self) -> None:
        holdings = having(100)
        hold(holdings, 100)
        assert idle(holdings).return_plan(set(), True, 0.0) == {}

    def test_rate_limit_lease_is_closed_a_minute_after_last_use(self) -> None:
        holdings = having(100, TOKENS)
        hold(holdings, 60, TOKENS).settle(0, 60, 0.0)
        assert idle(holdings).return_plan(set(), True, 60.0) == {}
        assert holdings.return_plan(set(), True, 61.0) == {TOKENS.id: LeaseChange(close=True)}

    def test_units_beyond_prefetch_are_returned(self) -> None:
        holdings = having(1000)
        hold(holdings, 50).settle(0, 0, 0.0)
        assert holdings.return_plan(set(), False, 0.0) == {}
        assert holdings.return_plan(set(), True, 0.0) == {
            CREDIT.id: LeaseChange(returned_units=800)
        }

    def test_units_within_prefetch_are_kept(self) -> None:
        holdings = having(400)
        hold(holdings, 50).settle(0, 0, 0.0)
        assert holdings.return_plan(set(), True, 0.0) == {}

    def test_no_units_are_returned_while_calls_wait(self) -> None:
        holdings = having(100)
        holdings.add_waiting([CREDIT.id])
        assert holdings.return_plan({CREDIT.id}, True, 0.0) == {}

    def test_no_units_are_returned_during_lease_change(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        assert holdings.return_plan({CREDIT.id}, True, 0.0) == {}


class TestLeaseRecall:
    def test_recall_returns_all_available_units_once(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        recalled = holdings.update({CREDIT.id: read(100, recalls=1)})
        assert recalled == {CREDIT.id}
        assert holdings.return_plan(recalled, False, 0.0) == {
            CREDIT.id: LeaseChange(returned_units=40)
        }
        assert holdings.update({CREDIT.id: read(60, recalls=1)}) == set()

    def test_recall_before_borrowing_is_ignored(self) -> None:
        holdings = having(100, recalls=5)
        assert holdings.update({CREDIT.id: read(100, recalls=5)}) == set()

    def test_recall_reported_during_own_change_is_kept(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        holdings.update({CREDIT.id: read(100, recalls=1)})
        assert holdings.update({CREDIT.id: read(100, recalls=1)}) == {CREDIT.id}

    def test_recall_waits_until_units_are_available(self) -> None:
        holdings = having(100)
        running = hold(holdings, 100)
        recalled = holdings.update({CREDIT.id: read(100, recalls=1)})
        assert holdings.return_plan(recalled, False, 0.0) == {}
        running.settle(10, 0, 0.0)
        recalled = holdings.update({CREDIT.id: read(100, recalls=1)})
        assert holdings.return_plan(recalled, False, 0.0) == {
            CREDIT.id: LeaseChange(returned_units=90)
        }

    def test_recall_ends_when_lease_is_dropped(self) -> None:
        holdings = having(100)
        holdings.update({CREDIT.id: read(100, recalls=1)})
        holdings.drop([CREDIT.id])
        holdings.borrow_plan([CALL], 0.0)
        assert holdings.update({CREDIT.id: read(100, recalls=1)}) == set()


class TestLeaseUpdate:
    def test_lease_closed_with_lost_response_restarts_with_zero_used(self) -> None:
        holdings = having(100)
        hold(holdings, 60).settle(60, 0, 0.0)
        holdings.begin_change([CREDIT.id])  # to close it; it was closed, but the response was lost
        holdings.update({CREDIT.id: read(0, consumed=60)})
        assert (
            holdings.get_lease(CREDIT.id).used,
            holdings.get_lease(CREDIT.id).available(0.0),
        ) == (0, 0)
        assert holdings.snapshot(CREDIT.id) == read(0, consumed=60)

    def test_lease_closed_with_lost_response_counts_used_units_once_in_a_larger_new_lease(
        self,
    ) -> None:
        """A waiting call borrows anew before the quota is read."""
        holdings = having(100)
        hold(holdings, 60).settle(60, 0, 0.0)
        idle(holdings)
        holdings.begin_change(holdings.return_plan(set(), True, 0.0))
        holdings.update({CREDIT.id: read(200, consumed=60)})
        assert holdings.snapshot(CREDIT.id) == read(200, consumed=60)
        assert holdings.get_lease(CREDIT.id).available(0.0) == 200

    def test_lease_whose_close_failed_keeps_used_units(self) -> None:
        holdings = having(100)
        hold(holdings, 60).settle(60, 0, 0.0)
        idle(holdings)
        holdings.begin_change(holdings.return_plan(set(), True, 0.0))
        holdings.update({CREDIT.id: read(100, consumed=60, used=60)})
        assert holdings.get_lease(CREDIT.id).available(0.0) == 40
        # From now on, a settled call counts before its row is read.
        hold(holdings, 10).settle(10, 0, 0.0)
        holdings.update({CREDIT.id: read(100, consumed=60, used=60)})
        assert holdings.get_lease(CREDIT.id).available(0.0) == 30

    def test_fully_used_lease_keeps_used_units(self) -> None:
        holdings = having(60)
        hold(holdings, 60).settle(60, 0, 0.0)
        holdings.update({CREDIT.id: read(90)})
        assert (
            holdings.get_lease(CREDIT.id).used,
            holdings.get_lease(CREDIT.id).available(0.0),
        ) == (
            60,
            30,
        )


class TestLeaseDrop:
    def test_dropped_lease_leaves_no_state(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        holdings.drop([CREDIT.id, STREAMS.id])
        assert holdings.quota_ids() == []
        assert holdings.try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None
