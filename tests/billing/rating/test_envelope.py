"""The cost bound: amounts reserved for a period's calls are never less than the period's bill.

Calls use allowances in order of arrival and are reserved at linear prices. The bill applies each
allowance to the most expensive model, and applies tiers, packages and flat amounts.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.money import nano_per_minor
from billing.rating import allowance_use
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.quantities import Quantities
from billing.rating.statement import LineKind, ModelUsage, running_total, usage_lines
from billing.rating.terms import ANY_MODEL, PPM, Allowance, Discount, ModelPrice, PlanTerms
from tests.support.billing.random_terms import PER_UNIT, AnyOrder, Case, FirstCome, cases
from tests.support.nightly import at_length

# Where nothing is held beside the units, the envelope is tight.
CASES = cases() | cases(PER_UNIT)
THOROUGH = settings(max_examples=at_length(300, 50))
WHOLE = Fraction(1)


def due(case: Case) -> Fraction:
    """Cost of the usage in nano-units: the larger of the exact total and the sum of rounded lines
    less their rounding.

    Rounding is at most half a minor unit per line; a discount that rounds to zero has no line.
    """
    terms, unit = case[0], nano_per_minor(case[0].currency)
    lines = usage_lines(*case)
    rounded = sum(line.kind is not LineKind.DISCOUNT for line in lines) + len(terms.discounts)
    by_lines = sum(line.minor for line in lines) * unit - Fraction(rounded * unit, 2)
    return max(Fraction(running_total(*case).amount), by_lines)


def place(one: allowance_use.AllowanceBalance) -> tuple[str, str]:
    return one.allowance.model, one.allowance.meter


class TestReservedCostBound:
    @THOROUGH
    @given(CASES)
    def test_running_total_plus_later_call_costs_covers_the_bill(self, case: Case) -> None:
        """From the start, and after a statement replaced the reservations of earlier calls."""
        terms, share, calls = case
        first_come, bill = FirstCome(terms, share), due(case)
        costs = [first_come.cost(call) for call in calls]
        for at in range(len(calls) + 1):
            now = running_total(terms, share, calls[:at])
            assert now.amount + now.reserve + sum(costs[at:]) >= bill

    @given(CASES)
    def test_bound_also_covers_the_bill_if_no_later_call_uses_allowances(self, case: Case) -> None:
        """As if other processes held all remaining units."""
        terms, share, calls = case
        none_left, bill = FirstCome(terms, Fraction(0)), due(case)
        costs = [none_left.cost(call) for call in calls]
        for at in range(len(calls) + 1):
            now = running_total(terms, share, calls[:at])
            assert now.amount + now.reserve + sum(costs[at:]) >= bill


class TestReservedCostBoundInAnyAllowanceOrder:
    """Calls use remaining allowance units in any order, with gaps, or not at all. After a
    statement, later calls use the units that it leaves."""

    @THOROUGH
    @given(CASES, st.data())
    def test_bound_covers_the_bill_if_later_calls_use_remaining_allowances(
        self, case: Case, data: st.DataObject
    ) -> None:
        terms, share, calls = case
        at = data.draw(st.integers(0, len(calls)))
        now = running_total(terms, share, calls[:at])
        left = {
            place(one): one.remaining
            for one in allowance_use.allowance_balances(terms, share, calls[:at])
        }
        later = AnyOrder(terms, left, data)
        assert now.amount + now.reserve + sum(map(later.cost, calls[at:])) >= due(case)

    @THOROUGH
    @given(CASES, st.data())
    def test_bound_covers_the_bill_if_later_calls_displace_covered_units(
        self, case: Case, data: st.DataObject
    ) -> None:
        """Running calls are not in the statement: their units beyond the remaining ones are
        reserved at displacement cost."""
        terms, share, calls = case
        at = data.draw(st.integers(0, len(calls)))
        now = running_total(terms, share, calls[:at])
        allowances = allowance_use.allowance_balances(terms, share, calls[:at])
        beyond = {
            place(one): data.draw(st.integers(0, one.quantity - one.remaining))
            for one in allowances
        }
        held = sum(one.displacement_cost(beyond[place(one)]) for one in allowances)
        later = AnyOrder(
            terms, {place(one): one.remaining + beyond[place(one)] for one in allowances}, data
        )
        costs = sum(map(later.cost, calls[at:]))
        assert now.amount + now.reserve + held + costs >= due(case)

    def test_displacement_cost_starts_with_the_cheapest_covered_units(self) -> None:
        """8 of 10 units are used: 5 at a price of 3 each, and 3 at 7."""
        one = allowance_use.AllowanceBalance(Allowance(ANY_MODEL, "rows", 10), 10, {7: 3, 3: 5})
        assert one.remaining == 2
        assert [one.displacement_cost(units) for units in (0, 4, 6, 8, 9)] == [0, 12, 22, 36, 36]

    def test_free_usage_uses_no_allowance_units(self) -> None:
        terms = PlanTerms(
            plan="p",
            names={"en": "P", "zh": "P"},
            currency="CNY",
            prices=(ModelPrice("a", "rows", PerUnit(5)), ModelPrice("b", "rows", PerUnit(0))),
            allowances=(Allowance(ANY_MODEL, "rows", 10),),
        )
        calls = [ModelUsage("b", Quantities(rows=9)), ModelUsage("a", Quantities(rows=2))]
        (one,) = allowance_use.allowance_balances(terms, WHOLE, calls)
        assert (one.remaining, one.by_price) == (8, {5: 2})
        assert allowance_use.allowance_balances(replace(terms, allowances=()), WHOLE, calls) == []


class TestGeneralAllowance:
    """10 rows of b and then 10 rows of a; 10 rows in total are included, and b used them first.

    The bill must not apply them to a, because a's rows cost nothing anyway.
    """

    @pytest.mark.parametrize(
        ("allowances", "discounts"),
        [
            ((Allowance(ANY_MODEL, "rows", 10),), (Discount("a", PPM),)),
            ((Allowance(ANY_MODEL, "rows", 10), Allowance("a", "rows", 10)), ()),
            ((Allowance("a", "rows", 10), Allowance(ANY_MODEL, "rows", 10)), ()),
        ],
    )
    def test_units_go_to_the_model_that_would_otherwise_be_charged(
        self, allowances: tuple[Allowance, ...], discounts: tuple[Discount, ...]
    ) -> None:
        terms = PlanTerms(
            plan="p",
            names={"en": "P", "zh": "P"},
            currency="CNY",
            prices=(
                ModelPrice("a", "rows", PerUnit(100_000_000)),
                ModelPrice("b", "rows", PerUnit(50_000_000)),
            ),
            allowances=allowances,
            discounts=discounts,
        )
        calls = [ModelUsage("b", Quantities(rows=10)), ModelUsage("a", Quantities(rows=10))]
        first_come = FirstCome(terms, WHOLE)
        assert sum(first_come.cost(call) for call in calls) == 0
        assert sum(line.minor for line in usage_lines(terms, WHOLE, calls)) == 0
