"""LocalLeases of included units: what covers a call, and what is borrowed for it."""

from dataclasses import replace

from billing.metering.leases import LeaseChange
from gateway.quota.local_leases import LocalLeases
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
        covered = including(own=150).with_local_allowances(INCLUDING, 0.0)
        assert covered is not None
        assert (covered.allowance_use, covered.max_cost_nano, covered.quota_units) == (
            ((OWN, 100),),
            0,
            [(OWN, 100)],
        )

    def test_borrows_rather_than_let_money_be_taken(self) -> None:
        """There are 1000 units, of which 99 are here."""
        assert including(own=99).with_local_allowances(INCLUDING, 0.0) is None

    def test_borrows_where_the_database_knew_of_a_call_before_its_hold_was_closed(self) -> None:
        """60 of 100 units are used, 40 are left: a call of 60 pays for 20 and not for all of it."""
        holdings = including(own=61)
        running = hold(holdings, 60, OWN)
        holdings.update({OWN.id: read(61, amount=100, consumed=60, used=60)})
        running.settle(0, 60, 0.0, {OWN.id: 60})
        assert holdings.with_local_allowances(INCLUDING, 0.0) is None

    def test_what_nobody_can_borrow_is_paid_for(self) -> None:
        holdings = including()
        holdings.update(
            {OWN.id: read(60, consumed=900, leased_elsewhere=40), SHARED.id: read(0, consumed=1000)}
        )
        covered = holdings.with_local_allowances(INCLUDING, 0.0)
        assert covered is not None
        assert (covered.allowance_use, covered.max_cost_nano) == (((OWN, 60),), 40)

    def test_is_not_known_before_it_is_read(self) -> None:
        assert LocalLeases().with_local_allowances(INCLUDING, 0.0) is None

    def test_not_while_it_is_being_changed_or_others_wait(self) -> None:
        holdings = including(own=150)
        holdings.add_waiting([OWN.id])
        assert holdings.with_local_allowances(INCLUDING, 0.0) is None
        assert holdings.with_local_allowances(INCLUDING, 0.0, waiting=True) is not None
        holdings.begin_change([OWN.id])
        assert holdings.with_local_allowances(INCLUDING, 0.0, waiting=True) is None

    def test_a_meter_of_which_nothing_is_needed_is_not_looked_at(self) -> None:
        rows = replace(INCLUDING, allowances=(allowance("rows"), OWN))
        assert including(own=150).with_local_allowances(rows, 0.0) is not None

    def test_what_is_looked_at_stays_known_though_nothing_is_taken(self) -> None:
        """Or each call of an account whose units are used up would have to ask again."""
        holdings = including()
        holdings.update({quota.id: read(0, consumed=1000) for quota in (OWN, SHARED)})
        for _ in range(2):
            assert holdings.with_local_allowances(INCLUDING, 0.0) is not None
            assert holdings.return_plan(set(), True, 0.0) == {}
        ends = holdings.return_plan(set(), True, 0.0)
        assert ends == {of.id: LeaseChange(close=True) for of in (CREDIT, OWN, SHARED)}

    def test_at_best_all_that_no_call_has_used(self) -> None:
        holdings = including()
        holdings.update(
            {OWN.id: read(0, consumed=950, leased_elsewhere=50), SHARED.id: read(0, consumed=1010)}
        )
        assert holdings.best_case(INCLUDING).max_cost_nano == 50
        assert LocalLeases().best_case(INCLUDING).max_cost_nano == 100
        assert holdings.allowances_leased_elsewhere(INCLUDING) == {OWN.id}

    def test_holds_whole_and_covered(self) -> None:
        holdings = including(own=150)
        held = holdings.try_full(INCLUDING, PROCESS, 0.0)
        assert held is not None
        assert (held[0].max_cost_nano, held[1].reserved_allowances, held[1].max_cost_nano) == (
            0,
            {OWN: 100},
            0,
        )
        assert holdings.try_full(INCLUDING, PROCESS, 0.0) is None

    def test_fits_as_much_as_there_is(self) -> None:
        held = including(own=30, shared=20, credit=15).try_partial(INCLUDING, PROCESS, 0.0)
        assert held is not None
        assert held[0].output_tokens == 65
        assert (held[1].reserved_allowances, held[1].max_cost_nano) == ({OWN: 30, SHARED: 20}, 15)


class TestWishesForIncluded:
    def test_all_that_may_be_needed_while_nothing_is_known(self) -> None:
        wishes = LocalLeases().borrow_plan([INCLUDING], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            CREDIT.id: ((100, 10),),
            OWN.id: ((100, 0),),
            SHARED.id: ((100, 0),),
        }

    def test_then_units_before_money(self) -> None:
        wishes = including().borrow_plan([INCLUDING], 0.0)
        assert {of: (wish.needs, wish.prefetch_units) for of, wish in wishes.items()} == {
            CREDIT.id: (((0, 0),), 0),
            OWN.id: (((100, 0),), 800),
        }

    def test_two_calls_do_not_count_on_the_same_units(self) -> None:
        holdings = including()
        holdings.update({OWN.id: read(0, consumed=890), SHARED.id: read(0, consumed=980)})
        wishes = holdings.borrow_plan([INCLUDING, INCLUDING], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            CREDIT.id: ((0, 0), (70, 0)),
            OWN.id: ((100, 0), (100, 0)),
            SHARED.id: ((90, 0),),
        }
