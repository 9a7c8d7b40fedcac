"""Leases of one process in memory: what it borrows, returns and never gives out."""

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


class TestTry:
    def test_holds_what_is_here(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        assert holdings.try_reserve([(CREDIT, 41)], PROCESS, 0.0) is None
        hold(holdings, 40)

    def test_what_was_never_borrowed_is_not_here(self) -> None:
        assert LocalLeases().try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None

    def test_nothing_is_held_while_a_lease_is_being_changed(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        assert holdings.try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None
        holdings.update({CREDIT.id: read(100)})
        hold(holdings, 100)

    def test_nobody_overtakes_those_that_wait(self) -> None:
        holdings = having(100)
        holdings.add_waiting([CREDIT.id])
        holdings.add_waiting([CREDIT.id])
        holdings.remove_waiting([CREDIT.id])
        assert holdings.try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None
        holdings.remove_waiting([CREDIT.id])
        hold(holdings, 1)


class TestFit:
    def test_whole(self) -> None:
        holdings = having(100)
        holdings.add_waiting([CREDIT.id])  # it is the waiting call itself
        assert holdings.try_full(CALL, PROCESS, 0.0) is not None
        assert holdings.try_full(CALL, PROCESS, 0.0) is None

    def test_not_whole_while_changing_or_unknown(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        assert holdings.try_full(CALL, PROCESS, 0.0) is None
        assert LocalLeases().try_full(CALL, PROCESS, 0.0) is None

    def test_as_much_as_there_is(self) -> None:
        holdings = having(30)
        fitted = holdings.try_partial(CALL, PROCESS, 0.0)
        assert fitted is not None
        demand, made = fitted
        assert (demand.output_tokens, made.max_cost_nano, made.process_id) == (30, 30, PROCESS)
        assert holdings.lease(CREDIT.id).available(0.0) == 0

    def test_not_less_than_the_least(self) -> None:
        assert having(9).try_partial(CALL, PROCESS, 0.0) is None


class TestStanding:
    def test_is_not_known_before_it_is_read(self) -> None:
        holdings = LocalLeases()
        assert holdings.snapshot(CREDIT.id) is None
        holdings.borrow_plan([CALL], 0.0)
        assert holdings.snapshot(CREDIT.id) is None
        assert holdings.quota_ids() == [CREDIT.id]

    def test_counts_our_own_calls_since(self) -> None:
        holdings = having(100, consumed=7, leased_elsewhere=3)
        hold(holdings, 60).settle(20, 0, 0.0)
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=27, leased_elsewhere=3, used=20)
        holdings.update({CREDIT.id: read(100, consumed=27, used=20)})
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=27, used=20)

    def test_a_call_that_the_database_knew_first_counts_once(self) -> None:
        """Its row was read before its hold was closed here."""
        holdings = having(100, consumed=7)
        running = hold(holdings, 60)
        holdings.update({CREDIT.id: read(100, consumed=67, used=60)})
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=7)
        running.settle(60, 0, 0.0)
        assert holdings.snapshot(CREDIT.id) == read(100, consumed=67, used=60)
        assert holdings.can_borrow(CREDIT.id, 1000 - 67)


class TestRemaining:
    @pytest.mark.parametrize("amount", [None, 100])
    def test_is_not_known_before_it_is_read(self, amount: int | None) -> None:
        holdings = LocalLeases()
        assert holdings.rate_limit_remaining(TOKENS.id, 0.0) is None
        holdings.borrow_plan([replace(CALL, quotas=(TOKENS,))], 0.0)
        assert holdings.rate_limit_remaining(TOKENS.id, 0.0) is None

    def test_without_a_limit_is_not_known(self) -> None:
        holdings = having(100, TOKENS)
        holdings.update({TOKENS.id: read(100, amount=None)})
        assert holdings.rate_limit_remaining(TOKENS.id, 0.0) is None

    def test_is_what_nobody_has_used_within_the_minute(self) -> None:
        holdings = having(100, TOKENS, leased_elsewhere=300)
        hold(holdings, 60, TOKENS).settle(0, 20, 0.5)
        assert holdings.rate_limit_remaining(TOKENS.id, 1.0) == (680, 60.0)
        assert holdings.rate_limit_remaining(TOKENS.id, 61.0) == (700, 0.0)

    def test_is_never_negative(self) -> None:
        assert having(100, TOKENS, leased_elsewhere=5000).rate_limit_remaining(TOKENS.id, 0.0) == (
            0,
            0.0,
        )


class TestWishesFor:
    def test_asks_for_what_calls_need_in_their_order(self) -> None:
        short = replace(CALL, output_tokens=5)
        wishes = LocalLeases().borrow_plan([CALL, short], 0.0)
        assert wishes == {CREDIT.id: LeaseChange(needs=((100, 10), (5, 5)), prefetch_units=800)}

    def test_of_every_quota_that_a_call_is_under(self) -> None:
        wishes = LocalLeases().borrow_plan([replace(CALL, quotas=ALL, streams=1)], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            quota(QuotaKind.CREDIT).id: ((100, 10),),
            quota(QuotaKind.BUDGET).id: ((100, 10),),
            quota(QuotaKind.TOKENS).id: ((100, 10),),
            quota(QuotaKind.STREAMS).id: ((1, 1),),
        }

    def test_gives_back_what_was_of_no_use(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].returned_units == 40

    def test_a_busy_lease_borrows_some_seconds_ahead(self) -> None:
        holdings = having(1000)
        for _ in range(10):
            hold(holdings, 50)
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].prefetch_units == 4 * 500
        assert idle(holdings).borrow_plan([CALL], 0.0)[CREDIT.id].prefetch_units == 4 * 500
        assert idle(holdings).borrow_plan([CALL], 0.0)[CREDIT.id].prefetch_units == 800

    def test_nothing_goes_back_twice_when_the_answer_was_lost(self) -> None:
        """What seems free may have gone back: what is left may be what calls hold."""
        holdings = having(100)
        hold(holdings, 60)
        holdings.begin_change(holdings.borrow_plan([CALL], 0.0))
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].returned_units == 0
        holdings.update({CREDIT.id: read(60)})
        assert holdings.lease(CREDIT.id).available(0.0) == 0

    def test_a_lowered_limit_leaves_nothing_to_give(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        holdings.update({CREDIT.id: read(50)})
        assert holdings.borrow_plan([CALL], 0.0)[CREDIT.id].returned_units == 0


class TestWishesBack:
    def test_what_idles_ends(self) -> None:
        holdings = having(100)
        assert holdings.return_plan(set(), False, 0.0) == {}
        assert holdings.return_plan(set(), True, 0.0) == {CREDIT.id: LeaseChange(close=True)}

    def test_what_is_held_does_not_end(self) -> None:
        holdings = having(100)
        hold(holdings, 100)
        assert idle(holdings).return_plan(set(), True, 0.0) == {}

    def test_a_rate_ends_when_its_use_is_a_minute_ago(self) -> None:
        holdings = having(100, TOKENS)
        hold(holdings, 60, TOKENS).settle(0, 60, 0.0)
        assert idle(holdings).return_plan(set(), True, 60.0) == {}
        assert holdings.return_plan(set(), True, 61.0) == {TOKENS.id: LeaseChange(close=True)}

    def test_more_than_some_seconds_worth_goes_back(self) -> None:
        holdings = having(1000)
        hold(holdings, 50).settle(0, 0, 0.0)
        assert holdings.return_plan(set(), False, 0.0) == {}
        assert holdings.return_plan(set(), True, 0.0) == {
            CREDIT.id: LeaseChange(returned_units=800)
        }

    def test_what_is_needed_soon_stays(self) -> None:
        holdings = having(400)
        hold(holdings, 50).settle(0, 0, 0.0)
        assert holdings.return_plan(set(), True, 0.0) == {}

    def test_nothing_while_calls_wait_for_it(self) -> None:
        holdings = having(100)
        holdings.add_waiting([CREDIT.id])
        assert holdings.return_plan({CREDIT.id}, True, 0.0) == {}

    def test_nothing_while_a_change_was_not_heard_of(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        assert holdings.return_plan({CREDIT.id}, True, 0.0) == {}


class TestRecall:
    def test_gives_back_all_that_is_free_once(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        recalled = holdings.update({CREDIT.id: read(100, recalls=1)})
        assert recalled == {CREDIT.id}
        assert holdings.return_plan(recalled, False, 0.0) == {
            CREDIT.id: LeaseChange(returned_units=40)
        }
        assert holdings.update({CREDIT.id: read(60, recalls=1)}) == set()

    def test_one_from_before_we_borrowed_is_none(self) -> None:
        holdings = having(100, recalls=5)
        assert holdings.update({CREDIT.id: read(100, recalls=5)}) == set()

    def test_is_not_missed_where_a_change_of_our_own_tells_of_it(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        holdings.update({CREDIT.id: read(100, recalls=1)})
        assert holdings.update({CREDIT.id: read(100, recalls=1)}) == {CREDIT.id}

    def test_waits_until_something_is_free(self) -> None:
        holdings = having(100)
        running = hold(holdings, 100)
        recalled = holdings.update({CREDIT.id: read(100, recalls=1)})
        assert holdings.return_plan(recalled, False, 0.0) == {}
        running.settle(10, 0, 0.0)
        recalled = holdings.update({CREDIT.id: read(100, recalls=1)})
        assert holdings.return_plan(recalled, False, 0.0) == {
            CREDIT.id: LeaseChange(returned_units=90)
        }

    def test_is_over_with_the_lease(self) -> None:
        holdings = having(100)
        holdings.update({CREDIT.id: read(100, recalls=1)})
        holdings.drop([CREDIT.id])
        holdings.borrow_plan([CALL], 0.0)
        assert holdings.update({CREDIT.id: read(100, recalls=1)}) == set()


class TestLearn:
    def test_a_lease_that_ended_unheard_begins_with_nothing_used(self) -> None:
        holdings = having(100)
        hold(holdings, 60).settle(60, 0, 0.0)
        holdings.begin_change([CREDIT.id])  # to end it; that was done, but nobody heard of it
        holdings.update({CREDIT.id: read(0, consumed=60)})
        assert (holdings.lease(CREDIT.id).used, holdings.lease(CREDIT.id).available(0.0)) == (0, 0)
        assert holdings.snapshot(CREDIT.id) == read(0, consumed=60)

    def test_a_lease_all_of_which_is_used_goes_on(self) -> None:
        holdings = having(60)
        hold(holdings, 60).settle(60, 0, 0.0)
        holdings.update({CREDIT.id: read(90)})
        assert (holdings.lease(CREDIT.id).used, holdings.lease(CREDIT.id).available(0.0)) == (
            60,
            30,
        )


class TestForget:
    def test_nothing_is_left(self) -> None:
        holdings = having(100)
        holdings.begin_change([CREDIT.id])
        holdings.drop([CREDIT.id, STREAMS.id])
        assert holdings.quota_ids() == []
        assert holdings.try_reserve([(CREDIT, 1)], PROCESS, 0.0) is None
