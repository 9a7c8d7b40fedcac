"""Holdings: what a process asks for and gives back, and what it never gives out."""

from dataclasses import replace

import pytest

from billing.metering.leases import Wish
from billing.tables import QuotaKind
from gateway.quota.local_leases import Holdings
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
        assert holdings.try_hold([(CREDIT, 41)], PROCESS, 0.0) is None
        hold(holdings, 40)

    def test_what_was_never_borrowed_is_not_here(self) -> None:
        assert Holdings().try_hold([(CREDIT, 1)], PROCESS, 0.0) is None

    def test_nothing_is_held_while_a_lease_is_being_changed(self) -> None:
        holdings = having(100)
        holdings.change([CREDIT.id])
        assert holdings.try_hold([(CREDIT, 1)], PROCESS, 0.0) is None
        holdings.learn({CREDIT.id: read(100)})
        hold(holdings, 100)

    def test_nobody_overtakes_those_that_wait(self) -> None:
        holdings = having(100)
        holdings.enqueue([CREDIT.id])
        holdings.enqueue([CREDIT.id])
        holdings.dequeue([CREDIT.id])
        assert holdings.try_hold([(CREDIT, 1)], PROCESS, 0.0) is None
        holdings.dequeue([CREDIT.id])
        hold(holdings, 1)


class TestFit:
    def test_whole(self) -> None:
        holdings = having(100)
        holdings.enqueue([CREDIT.id])  # it is the waiting call itself
        assert holdings.fit_whole(CALL, PROCESS, 0.0) is not None
        assert holdings.fit_whole(CALL, PROCESS, 0.0) is None

    def test_not_whole_while_changing_or_unknown(self) -> None:
        holdings = having(100)
        holdings.change([CREDIT.id])
        assert holdings.fit_whole(CALL, PROCESS, 0.0) is None
        assert Holdings().fit_whole(CALL, PROCESS, 0.0) is None

    def test_as_much_as_there_is(self) -> None:
        holdings = having(30)
        fitted = holdings.fit(CALL, PROCESS, 0.0)
        assert fitted is not None
        demand, made = fitted
        assert (demand.output_tokens, made.money, made.process_id) == (30, 30, PROCESS)
        assert holdings.lease(CREDIT.id).free(0.0) == 0

    def test_not_less_than_the_least(self) -> None:
        assert having(9).fit(CALL, PROCESS, 0.0) is None


class TestStanding:
    def test_is_not_known_before_it_is_read(self) -> None:
        holdings = Holdings()
        assert holdings.standing(CREDIT.id) is None
        holdings.wishes_for([CALL], 0.0)
        assert holdings.standing(CREDIT.id) is None
        assert holdings.ids() == [CREDIT.id]

    def test_counts_our_own_calls_since(self) -> None:
        holdings = having(100, spent=7, elsewhere=3)
        hold(holdings, 60).close(20, 0, 0.0)
        assert holdings.standing(CREDIT.id) == read(100, spent=27, elsewhere=3, used=20)
        holdings.learn({CREDIT.id: read(100, spent=27, used=20)})
        assert holdings.standing(CREDIT.id) == read(100, spent=27, used=20)

    def test_a_call_that_the_database_knew_first_counts_once(self) -> None:
        """Its row was read before its hold was closed here."""
        holdings = having(100, spent=7)
        running = hold(holdings, 60)
        holdings.learn({CREDIT.id: read(100, spent=67, used=60)})
        assert holdings.standing(CREDIT.id) == read(100, spent=7)
        running.close(60, 0, 0.0)
        assert holdings.standing(CREDIT.id) == read(100, spent=67, used=60)
        assert holdings.can_have(CREDIT.id, 1000 - 67)


class TestRemaining:
    @pytest.mark.parametrize("amount", [None, 100])
    def test_is_not_known_before_it_is_read(self, amount: int | None) -> None:
        holdings = Holdings()
        assert holdings.remaining(TOKENS.id, 0.0) is None
        holdings.wishes_for([replace(CALL, quotas=(TOKENS,))], 0.0)
        assert holdings.remaining(TOKENS.id, 0.0) is None

    def test_without_a_limit_is_not_known(self) -> None:
        holdings = having(100, TOKENS)
        holdings.learn({TOKENS.id: read(100, amount=None)})
        assert holdings.remaining(TOKENS.id, 0.0) is None

    def test_is_what_nobody_has_used_within_the_minute(self) -> None:
        holdings = having(100, TOKENS, elsewhere=300)
        hold(holdings, 60, TOKENS).close(0, 20, 0.5)
        assert holdings.remaining(TOKENS.id, 1.0) == (680, 60.0)
        assert holdings.remaining(TOKENS.id, 61.0) == (700, 0.0)

    def test_is_never_negative(self) -> None:
        assert having(100, TOKENS, elsewhere=5000).remaining(TOKENS.id, 0.0) == (0, 0.0)


class TestWishesFor:
    def test_asks_for_what_calls_need_in_their_order(self) -> None:
        short = replace(CALL, output_tokens=5)
        wishes = Holdings().wishes_for([CALL, short], 0.0)
        assert wishes == {CREDIT.id: Wish(needs=((100, 10), (5, 5)), extra=800)}

    def test_of_every_quota_that_a_call_is_under(self) -> None:
        wishes = Holdings().wishes_for([replace(CALL, quotas=ALL, streams=1)], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            quota(QuotaKind.CREDIT).id: ((100, 10),),
            quota(QuotaKind.BUDGET).id: ((100, 10),),
            quota(QuotaKind.TOKENS).id: ((100, 10),),
            quota(QuotaKind.STREAMS).id: ((1, 1),),
        }

    def test_gives_back_what_was_of_no_use(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        assert holdings.wishes_for([CALL], 0.0)[CREDIT.id].surplus == 40

    def test_a_busy_lease_borrows_some_seconds_ahead(self) -> None:
        holdings = having(1000)
        for _ in range(10):
            hold(holdings, 50)
        assert holdings.wishes_for([CALL], 0.0)[CREDIT.id].extra == 4 * 500
        assert idle(holdings).wishes_for([CALL], 0.0)[CREDIT.id].extra == 4 * 500
        assert idle(holdings).wishes_for([CALL], 0.0)[CREDIT.id].extra == 800

    def test_nothing_goes_back_twice_when_the_answer_was_lost(self) -> None:
        """What seems free may have gone back: what is left may be what calls hold."""
        holdings = having(100)
        hold(holdings, 60)
        holdings.change(holdings.wishes_for([CALL], 0.0))
        assert holdings.wishes_for([CALL], 0.0)[CREDIT.id].surplus == 0
        holdings.learn({CREDIT.id: read(60)})
        assert holdings.lease(CREDIT.id).free(0.0) == 0

    def test_a_lowered_limit_leaves_nothing_to_give(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        holdings.learn({CREDIT.id: read(50)})
        assert holdings.wishes_for([CALL], 0.0)[CREDIT.id].surplus == 0


class TestWishesBack:
    def test_what_idles_ends(self) -> None:
        holdings = having(100)
        assert holdings.wishes_back(set(), False, 0.0) == {}
        assert holdings.wishes_back(set(), True, 0.0) == {CREDIT.id: Wish(end=True)}

    def test_what_is_held_does_not_end(self) -> None:
        holdings = having(100)
        hold(holdings, 100)
        assert idle(holdings).wishes_back(set(), True, 0.0) == {}

    def test_a_rate_ends_when_its_use_is_a_minute_ago(self) -> None:
        holdings = having(100, TOKENS)
        hold(holdings, 60, TOKENS).close(0, 60, 0.0)
        assert idle(holdings).wishes_back(set(), True, 60.0) == {}
        assert holdings.wishes_back(set(), True, 61.0) == {TOKENS.id: Wish(end=True)}

    def test_more_than_some_seconds_worth_goes_back(self) -> None:
        holdings = having(1000)
        hold(holdings, 50).close(0, 0, 0.0)
        assert holdings.wishes_back(set(), False, 0.0) == {}
        assert holdings.wishes_back(set(), True, 0.0) == {CREDIT.id: Wish(surplus=800)}

    def test_what_is_needed_soon_stays(self) -> None:
        holdings = having(400)
        hold(holdings, 50).close(0, 0, 0.0)
        assert holdings.wishes_back(set(), True, 0.0) == {}

    def test_nothing_while_calls_wait_for_it(self) -> None:
        holdings = having(100)
        holdings.enqueue([CREDIT.id])
        assert holdings.wishes_back({CREDIT.id}, True, 0.0) == {}

    def test_nothing_while_a_change_was_not_heard_of(self) -> None:
        holdings = having(100)
        holdings.change([CREDIT.id])
        assert holdings.wishes_back({CREDIT.id}, True, 0.0) == {}


class TestRecall:
    def test_gives_back_all_that_is_free_once(self) -> None:
        holdings = having(100)
        hold(holdings, 60)
        recalled = holdings.learn({CREDIT.id: read(100, recalls=1)})
        assert recalled == {CREDIT.id}
        assert holdings.wishes_back(recalled, False, 0.0) == {CREDIT.id: Wish(surplus=40)}
        assert holdings.learn({CREDIT.id: read(60, recalls=1)}) == set()

    def test_one_from_before_we_borrowed_is_none(self) -> None:
        holdings = having(100, recalls=5)
        assert holdings.learn({CREDIT.id: read(100, recalls=5)}) == set()

    def test_is_not_missed_where_a_change_of_our_own_tells_of_it(self) -> None:
        holdings = having(100)
        holdings.change([CREDIT.id])
        holdings.learn({CREDIT.id: read(100, recalls=1)})
        assert holdings.learn({CREDIT.id: read(100, recalls=1)}) == {CREDIT.id}

    def test_waits_until_something_is_free(self) -> None:
        holdings = having(100)
        running = hold(holdings, 100)
        recalled = holdings.learn({CREDIT.id: read(100, recalls=1)})
        assert holdings.wishes_back(recalled, False, 0.0) == {}
        running.close(10, 0, 0.0)
        recalled = holdings.learn({CREDIT.id: read(100, recalls=1)})
        assert holdings.wishes_back(recalled, False, 0.0) == {CREDIT.id: Wish(surplus=90)}

    def test_is_over_with_the_lease(self) -> None:
        holdings = having(100)
        holdings.learn({CREDIT.id: read(100, recalls=1)})
        holdings.forget([CREDIT.id])
        holdings.wishes_for([CALL], 0.0)
        assert holdings.learn({CREDIT.id: read(100, recalls=1)}) == set()


class TestLearn:
    def test_a_lease_that_ended_unheard_begins_with_nothing_used(self) -> None:
        holdings = having(100)
        hold(holdings, 60).close(60, 0, 0.0)
        holdings.change([CREDIT.id])  # to end it; that was done, but nobody heard of it
        holdings.learn({CREDIT.id: read(0, spent=60)})
        assert (holdings.lease(CREDIT.id).used, holdings.lease(CREDIT.id).free(0.0)) == (0, 0)
        assert holdings.standing(CREDIT.id) == read(0, spent=60)

    def test_a_lease_all_of_which_is_used_goes_on(self) -> None:
        holdings = having(60)
        hold(holdings, 60).close(60, 0, 0.0)
        holdings.learn({CREDIT.id: read(90)})
        assert (holdings.lease(CREDIT.id).used, holdings.lease(CREDIT.id).free(0.0)) == (60, 30)


class TestForget:
    def test_nothing_is_left(self) -> None:
        holdings = having(100)
        holdings.change([CREDIT.id])
        holdings.forget([CREDIT.id, STREAMS.id])
        assert holdings.ids() == []
        assert holdings.try_hold([(CREDIT, 1)], PROCESS, 0.0) is None
