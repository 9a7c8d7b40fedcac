"""The envelope: what the calls of a period were held for is never less than what its bill says.

Calls take allowances in the order in which they come, and are held at linear prices; the bill
gives each allowance to the dearest model, and knows tiers, packages and flat amounts.
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
    """What usage comes to, in nano-units: exactly, or by its lines less their rounding.

    That is half a minor unit a line; a discount that rounds to nothing has no line.
    """
    terms, unit = case[0], nano_per_minor(case[0].currency)
    lines = usage_lines(*case)
    rounded = sum(line.kind is not LineKind.DISCOUNT for line in lines) + len(terms.discounts)
    by_lines = sum(line.minor for line in lines) * unit - Fraction(rounded * unit, 2)
    return max(Fraction(running_total(*case).amount), by_lines)


def place(one: allowance_use.AllowanceBalance) -> tuple[str, str]:
    return one.allowance.model, one.allowance.meter


class TestHeldCoversTheBill:
    @THOROUGH
    @given(CASES)
    def test_from_any_point_on(self, case: Case) -> None:
        """From the start, and where a statement so far replaces what calls were held for."""
        terms, share, calls = case
        first_come, bill = FirstCome(terms, share), due(case)
        costs = [first_come.cost(call) for call in calls]
        for at in range(len(calls) + 1):
            now = running_total(terms, share, calls[:at])
            assert now.amount + now.reserve + sum(costs[at:]) >= bill

    @given(CASES)
    def test_also_where_no_later_call_is_included(self, case: Case) -> None:
        """As where other processes have all that is left."""
        terms, share, calls = case
        none_left, bill = FirstCome(terms, Fraction(0)), due(case)
        costs = [none_left.cost(call) for call in calls]
        for at in range(len(calls) + 1):
            now = running_total(terms, share, calls[:at])
            assert now.amount + now.reserve + sum(costs[at:]) >= bill


class TestAllowancesInAnyOrder:
    """Calls take of what is left of allowances as it comes: in any order, with gaps, or not at
    all. From a statement on, later calls take of what the statement leaves."""

    @THOROUGH
    @given(CASES, st.data())
    def test_held_covers_the_bill(self, case: Case, data: st.DataObject) -> None:
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
    def test_also_where_later_calls_have_what_the_statement_gives_to_earlier_ones(
        self, case: Case, data: st.DataObject
    ) -> None:
        """Calls that run, and are not counted: what they have beyond what is left is held."""
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

    def test_what_costs_least_is_given_up(self) -> None:
        """8 of 10 are given: 5 units that are worth 3 each, and 3 at 7."""
        one = allowance_use.AllowanceBalance(Allowance(ANY_MODEL, "rows", 10), 10, {7: 3, 3: 5})
        assert one.remaining == 2
        assert [one.displacement_cost(units) for units in (0, 4, 6, 8, 9)] == [0, 12, 22, 36, 36]

    def test_what_costs_nothing_is_given_nothing(self) -> None:
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


class TestAllowancesOfAllModels:
    """10 rows of b and then 10 of a, of which 10 together are included: b took them when it came.

    The bill may not give them to a, where a's rows cost nothing anyway.
    """

    @pytest.mark.parametrize(
        ("allowances", "discounts"),
        [
            ((Allowance(ANY_MODEL, "rows", 10),), (Discount("a", PPM),)),
            ((Allowance(ANY_MODEL, "rows", 10), Allowance("a", "rows", 10)), ()),
            ((Allowance("a", "rows", 10), Allowance(ANY_MODEL, "rows", 10)), ()),
        ],
    )
    def test_are_not_taken_from_who_needs_them(
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
