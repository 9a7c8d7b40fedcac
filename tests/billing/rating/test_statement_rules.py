"""Statements: properties for all terms and calls. Worked examples are in test_statement.py."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from billing.money import nano_per_minor, rounded
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import NO_USAGE, Quantities
from billing.rating.statement import (
    LineKind,
    ModelUsage,
    allowance_usage,
    prorated_units,
    running_total,
    usage_lines,
)
from billing.rating.terms import ANY_MODEL, ModelPrice, PlanTerms
from tests.support.billing.random_terms import RISING, Case, cases


def total(terms: PlanTerms, share: Fraction, calls: Iterable[ModelUsage]) -> int:
    return sum(line.minor for line in usage_lines(terms, share, calls))


def merged(calls: Iterable[ModelUsage]) -> list[ModelUsage]:
    """Sum the usage per model."""
    found: dict[str, ModelUsage] = {}
    for call in calls:
        last = found.get(call.model, ModelUsage(call.model, NO_USAGE))
        found[call.model] = ModelUsage(
            call.model, last.quantities + call.quantities, last.late + call.late
        )
    return list(found.values())


class TestStatementInputOrder:
    @given(cases(), st.randoms(use_true_random=False))
    def test_lines_do_not_depend_on_number_and_order_of_calls(
        self, case: Case, chance: Random
    ) -> None:
        terms, share, calls = case
        lines = usage_lines(terms, share, calls)
        shuffled = chance.sample(calls, len(calls))
        assert usage_lines(terms, share, shuffled) == lines
        assert usage_lines(terms, share, merged(calls)) == lines


class TestRunningTotalProperties:
    @given(cases())
    def test_running_total_equals_the_statement_except_rounding(self, case: Case) -> None:
        """At most half a minor unit per line and per discount that rounds to zero."""
        lines, terms = usage_lines(*case), case[0]
        unit = nano_per_minor(terms.currency)
        off = sum(line.minor for line in lines) * unit - running_total(*case).amount
        assert abs(off) <= Fraction((len(lines) + len(terms.discounts)) * unit, 2) + 1


class TestStatementLineBounds:
    @given(cases())
    def test_only_discount_and_volume_late_usage_lines_are_negative(self, case: Case) -> None:
        """Late usage may be negative if it makes a volume price cheaper; the total never is."""
        terms, share, calls = case
        for line in usage_lines(terms, share, calls):
            if line.kind is LineKind.DISCOUNT:
                assert line.minor < 0
            elif line.kind is LineKind.LATE_USAGE and isinstance(line.price, Volume):
                continue
            else:
                assert line.minor >= 0
        assert total(terms, share, calls) >= 0

    @given(cases())
    def test_included_units_exceed_neither_usage_nor_allowances(self, case: Case) -> None:
        """No line includes more than its usage, and all lines together not more than allowed."""
        terms, share, calls = case
        lines = usage_lines(terms, share, calls)
        assert all(0 <= line.included <= (line.quantity or 0) for line in lines)
        taken = allowance_usage(terms, share, calls)
        assert all(0 <= one.used_units <= one.quantity for one in taken)
        assert sum(one.used_units for one in taken) == sum(line.included for line in lines)

    @given(cases())
    def test_usage_within_its_allowance_is_included_completely(self, case: Case) -> None:
        terms, share, calls = case
        lines = usage_lines(terms, share, calls)
        for one in terms.allowances:
            own = [
                line
                for line in lines
                if line.meter == one.meter and one.model in (ANY_MODEL, line.model)
            ]
            units = sum(line.quantity or 0 for line in own)
            assert sum(line.included for line in own) >= min(
                units, prorated_units(one.quantity, share)
            )


class TestStatementMonotonicity:
    @given(cases(RISING), st.integers(0, 8), st.integers(0, 10**6))
    def test_additional_usage_never_lowers_the_total(
        self, case: Case, at: int, minimum: int
    ) -> None:
        """Except for volume prices, which fall for all units at the start of a tier."""
        terms, share, calls = case
        terms = replace(terms, minimum=minimum)
        calls = [ModelUsage(call.model, call.quantities + call.late) for call in calls]
        assert total(terms, share, calls[:at]) <= total(terms, share, calls)

    @given(cases(RISING), st.integers(0, 8))
    def test_with_late_usage_the_total_falls_at_most_by_rounding(self, case: Case, at: int) -> None:
        """Usage on time and late usage are rounded separately: one minor unit per line."""
        terms, share, calls = case
        lines = usage_lines(terms, share, calls)
        late = sum(line.kind is LineKind.LATE_USAGE for line in lines)
        assert total(terms, share, calls[:at]) <= total(terms, share, calls) + late

    def test_with_late_usage_the_total_may_fall_by_one_minor_unit(self) -> None:
        """Half a fen per two rows. 2 on time and 1 late: 0.5 and 0.5; 3 and 1: 1 and 0."""
        price = ModelPrice("a", "rows", Package(2, 5_000_000))
        terms = PlanTerms("p", {"en": "P", "zh": "P"}, "CNY", (price,))

        def both(rows: int) -> int:
            call = ModelUsage("a", Quantities(rows=rows), Quantities(rows=1))
            return total(terms, Fraction(1), [call])

        assert (both(2), both(3)) == (2, 1)

    @given(cases(), st.integers(0, 10**6))
    def test_total_is_at_least_the_prorated_minimum(self, case: Case, minimum: int) -> None:
        terms, share, calls = case
        without = total(terms, share, calls)
        due = total(replace(terms, minimum=minimum), share, calls)
        assert due == max(without, rounded(minimum * share))
