"""Local leases of included units: units that cover a call, and units that are borrowed for it."""

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


class TestLocalAllowances:
    def test_call_uses_borrowed_units_of_its_model(self) -> None:
        covered = including(own=150).with_local_allowances(INCLUDING, 0.0)
        assert covered is not None
        assert (covered.allowance_use, covered.max_cost_nano, covered.quota_units) == (
            ((OWN, 100),),
            0,
            [(OWN, 100)],
        )

    def test_units_are_borrowed_before_credit_is_used(self) -> None:
        """The quota has 1000 units, 99 of them borrowed here."""
        assert including(own=99).with_local_allowances(INCLUDING, 0.0) is None

    def test_units_are_borrowed_if_call_was_read_before_settlement(self) -> None:
        """60 of 100 units are used and 40 remain: a call of 60 pays for 20 units, not for all."""
        holdings = including(own=61)
        running = hold(holdings, 60, OWN)
        holdings.update({OWN.id: read(61, amount=100, consumed=60, used=60)})
        running.settle(0, 60, 0.0, {OWN.id: 60})
        assert holdings.with_local_allowances(INCLUDING, 0.0) is None

    def test_units_that_cannot_be_borrowed_are_paid(self) -> None:
        holdings = including()
        holdings.update(
            {OWN.id: read(60, consumed=900, leased_elsewhere=40), SHARED.id: read(0, consumed=1000)}
        )
        covered = holdings.with_local_allowances(INCLUDING, 0.0)
        assert covered is not None
        assert (covered.allowance_use, covered.max_cost_nano) == (((OWN, 60),), 40)

    def test_allowances_are_none_before_first_read(self) -> None:
        assert LocalLeases().with_local_allowances(INCLUDING, 0.0) is None

    def test_allowances_are_none_during_change_or_while_calls_wait(self) -> None:
        holdings = including(own=150)
        holdings.add_waiting([OWN.id])
        assert holdings.with_local_allowances(INCLUDING, 0.0) is None
        assert holdings.with_local_allowances(INCLUDING, 0.0, waiting=True) is not None
        holdings.begin_change([OWN.id])
        assert holdings.with_local_allowances(INCLUDING, 0.0, waiting=True) is None

    def test_allowance_of_unneeded_meter_is_ignored(self) -> None:
        rows = replace(INCLUDING, allowances=(allowance("rows"), OWN))
        assert including(own=150).with_local_allowances(rows, 0.0) is not None

    def test_used_up_allowance_stays_open_while_read(self) -> None:
        """Otherwise each call of an account with used-up units would read them again."""
        holdings = including()
        holdings.update({quota.id: read(0, consumed=1000) for quota in (OWN, SHARED)})
        for _ in range(2):
            assert holdings.with_local_allowances(INCLUDING, 0.0) is not None
            assert holdings.return_plan(set(), True, 0.0) == {}
        ends = holdings.return_plan(set(), True, 0.0)
        assert ends == {of.id: LeaseChange(close=True) for of in (CREDIT, OWN, SHARED)}

    def test_best_case_uses_all_unconsumed_units(self) -> None:
        holdings = including()
        holdings.update(
            {OWN.id: read(0, consumed=950, leased_elsewhere=50), SHARED.id: read(0, consumed=1010)}
        )
        assert holdings.with_unconsumed_allowances(INCLUDING).max_cost_nano == 50
        assert LocalLeases().with_unconsumed_allowances(INCLUDING).max_cost_nano == 100
        assert holdings.allowances_leased_elsewhere(INCLUDING) == {OWN.id}

    def test_full_reservation_uses_included_units(self) -> None:
        holdings = including(own=150)
        held = holdings.try_full(INCLUDING, PROCESS, 0.0)
        assert held is not None
        assert (held[0].max_cost_nano, held[1].reserved_allowances, held[1].max_cost_nano) == (
            0,
            {OWN: 100},
            0,
        )
        assert holdings.try_full(INCLUDING, PROCESS, 0.0) is None

    def test_partial_reservation_combines_included_units_and_credit(self) -> None:
        held = including(own=30, shared=20, credit=15).try_partial(INCLUDING, PROCESS, 0.0)
        assert held is not None
        assert held[0].output_tokens == 65
        assert (held[1].reserved_allowances, held[1].max_cost_nano) == ({OWN: 30, SHARED: 20}, 15)


class TestIncludedBorrowPlan:
    def test_plan_before_first_read_borrows_all_quotas(self) -> None:
        wishes = LocalLeases().borrow_plan([INCLUDING], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            CREDIT.id: ((100, 10),),
            OWN.id: ((100, 0),),
            SHARED.id: ((100, 0),),
        }

    def test_plan_after_read_borrows_units_before_credit(self) -> None:
        wishes = including().borrow_plan([INCLUDING], 0.0)
        assert {of: (wish.needs, wish.prefetch_units) for of, wish in wishes.items()} == {
            CREDIT.id: (((0, 0),), 0),
            OWN.id: (((100, 0),), 800),
        }

    def test_two_waiting_calls_do_not_share_units(self) -> None:
        holdings = including()
        holdings.update({OWN.id: read(0, consumed=890), SHARED.id: read(0, consumed=980)})
        wishes = holdings.borrow_plan([INCLUDING, INCLUDING], 0.0)
        assert {of: wish.needs for of, wish in wishes.items()} == {
            CREDIT.id: ((0, 0), (70, 0)),
            OWN.id: ((100, 0), (100, 0)),
            SHARED.id: ((90, 0),),
        }
