"""Holdings of included units: what covers a call, and what is borrowed for it."""

from dataclasses import replace

from billing.metering.leases import Wish
from gateway.quota.local_leases import Holdings
from tests.gateway.quota.lease_samples import (
    CREDIT,
    INCLUDING,
    OWN,
    PROCESS,
    SHARED,
    hold,
    including,
    read,
)
from tests.support.gateway.quotas import allowance


class TestCovered:
    def test_takes_what_is_here_of_a_models_own_units(self) -> None:
        covered = including(own=150).covered(INCLUDING, 0.0)
        assert covered is not None
        assert (covered.cover, covered.cost, covered.parts) == (((OWN, 100),), 0, [(OWN, 100)])

    def test_borrows_rather_than_let_money_be_taken(self) -> None:
        """There are 1000 units, of which 99 are here."""
        assert including(own=99).covered(INCLUDING, 0.0) is None

    def test_borrows_where_the_database_knew_of_a_call_before_its_hold_was_closed(self) -> None:
        """60 of 100 units are used, 40 are left: a call of 60 pays for 20 and not for all of it."""
        holdings = including(own=61)
        running = hold(holdings, 60, OWN)
        holdings.learn({OWN.id: read(61, amount=100, spent=60, used=60)})
        running.close(0, 60, 0.0, {OWN.id: 60})
        assert holdings.covered(INCLUDING, 0.0) is None

    def test_what_nobody_can_borrow_is_paid_for(self) -> None:
        holdings = including()
        holdings.learn({OWN.id: read(60, spent=900, elsewhere=40), SHARED.id: read(0, spent=1000)})
        covered = holdings.covered(INCLUDING, 0.0)
        assert covered is not None
        assert (covered.cover, covered.cost) == (((OWN, 60),), 40)

    def test_is_not_known_before_it_is_read(self) -> None:
        assert Holdings().covered(INCLUDING, 0.0) is None

    def test_not_while_it_is_being_changed_or_others_wait(self) -> None:
        holdings = including(own=150)
        holdings.enqueue([OWN.id])
        assert holdings.covered(INCLUDING, 0.0) is None
        assert holdings.covered(INCLUDING, 0.0, waiting=True) is not None
        holdings.change([OWN.id])
        assert holdings.covered(INCLUDING, 0.0, waiting=True) is None

    def test_a_meter_of_which_nothing_is_needed_is_not_looked_at(self) -> None:
        rows = replace(INCLUDING, included=(allowance("rows"), OWN))
        assert including(own=150).covered(rows, 0.0) is not None

    def test_what_is_looked_at_stays_known_though_nothing_is_taken(self) -> None:
        """Or each call of an account whose units are used up would have to ask again."""
        holdings = including()
        holdings.learn({quota.id: read(0, spent=1000) for quota in (OWN, SHARED)})
        for _ in range(2):
            assert holdings.covered(INCLUDING, 0.0) is not None
            assert holdings.wishes_back(set(), True, 0.0) == {}
        ends = holdings.wishes_back(set(), True, 0.0)
        assert ends == {of.id: Wish(end=True) for of in (CREDIT, OWN, SHARED)}

    def test_at_best_all_that_no_call_has_used(self) -> None:
        holdings = including()
        holdings.learn({OWN.id: read(0, spent=950, elsewhere=50), SHARED.id: read(0, spent=1010)})
        assert holdings.at_best(INCLUDING).cost == 50
        assert Holdings().at_best(INCLUDING).cost == 100
        assert holdings.lent_of(INCLUDING) == {OWN.id}

    def test_holds_whole_and_covered(self) -> None:
        holdings = including(own=150)
        held = holdings.fit_whole(INCLUDING, PROCESS, 0.0)
        assert held is not None
        assert (held[0].cost, held[1].included, held[1].money) == (0, {OWN: 100}, 0)
        assert holdings.fit_whole(INCLUDING, PROCESS, 0.0) is None

    def test_fits_as_much_as_there_is(self) -> None:
        held = including(own=30, shared=20, credit=15).fit(INCLUDING, PROCESS, 0.0)
        assert held is not None
        assert held[0].output_tokens == 65
        assert (held[1].included, held[1].money) == ({OWN: 30, SHARED: 20}, 15)


class TestWishesForIncluded:
    def test_all_that_may_be_needed_while_nothing_is_known(self) -> None:
        wishes = Holdings().wishes_for([INCLUDING], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            CREDIT.id: ((100, 10),),
            OWN.id: ((100, 0),),
            SHARED.id: ((100, 0),),
        }

    def test_then_units_before_money(self) -> None:
        wishes = including().wishes_for([INCLUDING], 0.0)
        assert {of: (wish.needs, wish.extra) for of, wish in wishes.items()} == {
            CREDIT.id: (((0, 0),), 0),
            OWN.id: (((100, 0),), 800),
        }

    def test_two_calls_do_not_count_on_the_same_units(self) -> None:
        holdings = including()
        holdings.learn({OWN.id: read(0, spent=890), SHARED.id: read(0, spent=980)})
        wishes = holdings.wishes_for([INCLUDING, INCLUDING], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            CREDIT.id: ((0, 0), (70, 0)),
            OWN.id: ((100, 0), (100, 0)),
            SHARED.id: ((90, 0),),
        }
