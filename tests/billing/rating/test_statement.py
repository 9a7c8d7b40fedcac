"""Statements: worked examples of lines. Properties are in test_statement_rules.py."""

from fractions import Fraction

import pytest

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import Quantities
from billing.rating.statement import (
    AllowanceUsage,
    LineKind,
    ModelUsage,
    RunningTotal,
    StatementLine,
    allowance_usage,
    prorated_units,
    running_total,
    unit_prices,
    usage_lines,
)
from billing.rating.terms import ANY_MODEL, PPM, Allowance, Discount
from tests.billing.rating.statements import FEN, TEN_DAYS, TIERS, WHOLE, minors, plan

_Figures = tuple[str, str | None, int | None, int, int]


def used(model: str, rows: int, late: int = 0) -> ModelUsage:
    return ModelUsage(model, Quantities(rows=rows), Quantities(rows=late))


def figures(lines: list[StatementLine]) -> list[_Figures]:
    """Kind, model, quantity, included, minor units."""
    return [(line.kind, line.model, line.quantity, line.included, line.minor) for line in lines]


class TestUsageLines:
    def test_each_used_meter_has_a_line_in_order_of_the_terms(self) -> None:
        prices = {
            "b:output_tokens": PerUnit(10_000),
            "b:input_tokens": PerUnit(2_500),
            "a:rows": Package(100, 30 * FEN),
        }
        terms = plan(prices)
        consumed = [
            used("a", 101),
            ModelUsage("b", Quantities(input_tokens=1_234_567, output_tokens=200_000)),
        ]
        version = terms.version_id()
        assert usage_lines(terms, WHOLE, consumed) == [
            # 200,000 * 10,000 nano-units = 200 fen
            StatementLine(
                LineKind.USAGE, 200, version, "b", "output_tokens", 200_000, 0, PerUnit(10_000)
            ),
            # 1,234,567 * 2,500 = 3,086,417,500 nano-units = 308.64 fen
            StatementLine(
                LineKind.USAGE, 309, version, "b", "input_tokens", 1_234_567, 0, PerUnit(2_500)
            ),
            # a second package is begun
            StatementLine(LineKind.USAGE, 60, version, "a", "rows", 101, 0, Package(100, 30 * FEN)),
        ]

    def test_unused_or_unpriced_meters_have_no_line(self) -> None:
        terms = plan({"a": PerUnit(FEN), "b": PerUnit(FEN)})
        tokens = ModelUsage("a", Quantities(input_tokens=5))
        assert minors(terms, tokens, used("unknown", 5), used("b", 0)) == []

    def test_free_meter_has_a_line_of_zero(self) -> None:
        assert minors(plan({"a": PerUnit(0)}), used("a", 5)) == [0]

    @pytest.mark.parametrize(
        ("currency", "once", "thrice"),
        # 1.5 and 4.5 of the major unit: half a yen is a yen
        [("CNY", 150, 450), ("JPY", 2, 5), ("KWD", 1500, 4500)],
    )
    def test_each_line_is_rounded_to_the_minor_unit_of_the_currency(
        self, currency: str, once: int, thrice: int
    ) -> None:
        price = PerUnit(1_500_000_000)
        terms = plan({"a": price, "b": price}, currency=currency)
        assert minors(terms, used("a", 1), used("b", 3)) == [once, thrice]

    @pytest.mark.parametrize(
        ("prices", "minor"),
        [
            # 100 input tokens, of which 40 were cached
            ({"m:input_tokens": 10}, [100 * 10]),
            ({"m:input_tokens": 10, "m:cached_input_tokens": 2}, [60 * 10, 40 * 2]),
            ({"m:cached_input_tokens": 2}, [40 * 2]),
            ({"m:input_tokens": 10, "m:cached_input_tokens": 0}, [60 * 10, 0]),
            ({"m:input_tokens": 10, "other:cached_input_tokens": 2}, [100 * 10]),
        ],
    )
    def test_cached_tokens_have_a_line_only_with_their_own_price(
        self, prices: dict[str, int], minor: list[int]
    ) -> None:
        terms = plan({place: PerUnit(fen * FEN) for place, fen in prices.items()})
        assert minors(terms, ModelUsage("m", Quantities(100, 40))) == minor


class TestIncludedUnits:
    @pytest.mark.parametrize(
        ("rows", "included", "minor"),
        [(1, 1, 0), (1000, 1000, 0), (1001, 1000, 1), (1500, 1000, 500)],
    )
    def test_model_allowance_covers_only_its_model(
        self, rows: int, included: int, minor: int
    ) -> None:
        terms = plan(
            {"a": PerUnit(FEN), "b": PerUnit(FEN)}, allowances=(Allowance("a", "rows", 1000),)
        )
        assert figures(usage_lines(terms, WHOLE, [used("a", rows), used("b", 7)])) == [
            ("usage", "a", rows, included, minor),
            ("usage", "b", 7, 0, 7),
        ]

    @pytest.mark.parametrize(
        ("share", "included"),
        # 1000 * 10/31 = 322.58, whole units rounded down
        [(TEN_DAYS, 322), (Fraction(0), 0), (Fraction(1, 1001), 0), (WHOLE, 400)],
    )
    def test_allowance_is_prorated_and_rounded_down(self, share: Fraction, included: int) -> None:
        terms = plan({"a": PerUnit(FEN)}, allowances=(Allowance("a", "rows", 1000),))
        assert figures(usage_lines(terms, share, [used("a", 400)])) == [
            ("usage", "a", 400, included, 400 - included)
        ]
        assert min(prorated_units(1000, share), 400) == included

    @pytest.mark.parametrize(
        ("a", "b", "allowances", "discounts", "included"),
        [
            # Used 80 of a and 60 of b. 100 are shared: the dearer is covered first.
            (3, 5, {ANY_MODEL: 100}, {}, (40, 60)),
            (5, 3, {ANY_MODEL: 100}, {}, (80, 20)),
            (5, 5, {ANY_MODEL: 100}, {}, (80, 20)),
            # After its discount of 60 % a costs 4, and b is the dearer.
            (10, 5, {ANY_MODEL: 100}, {"a": 600_000}, (40, 60)),
            (10, 5, {ANY_MODEL: 100}, {"a": 600_000, ANY_MODEL: 300_000}, (80, 20)),
            # A model's own 50 are used first, wherever the terms name them.
            (5, 3, {"a": 50, ANY_MODEL: 60}, {}, (80, 30)),
            (5, 3, {ANY_MODEL: 60, "a": 50}, {}, (80, 30)),
            (5, 3, {ANY_MODEL: 60, "b": 10, "a": 50}, {}, (80, 40)),
            # More than was used.
            (5, 3, {ANY_MODEL: 500, "a": 500}, {}, (80, 60)),
        ],
    )
    def test_general_allowance_covers_the_most_expensive_usage_first(
        self,
        a: int,
        b: int,
        allowances: dict[str, int],
        discounts: dict[str, int],
        included: tuple[int, int],
    ) -> None:
        terms = plan(
            {"a": PerUnit(a * FEN), "b": PerUnit(b * FEN)},
            allowances=tuple(
                Allowance(model, "rows", units) for model, units in allowances.items()
            ),
            discounts=tuple(Discount(*pair) for pair in discounts.items()),
        )
        lines = usage_lines(terms, WHOLE, [used("a", 80), used("b", 60)])
        assert figures(lines)[:2] == [
            ("usage", "a", 80, included[0], (80 - included[0]) * a),
            ("usage", "b", 60, included[1], (60 - included[1]) * b),
        ]

    def test_allowance_usage_lists_units_by_model_and_meter(self) -> None:
        """Prorated by days, 50 units are 16, 400 are 129 and 200 are 64. Model allowances apply
        first: 64 rows of a and 1 of b remain, and the more expensive row of b precedes 63 of a."""
        own, shared = Allowance("a", "rows", 50), Allowance(ANY_MODEL, "rows", 200)
        unused = Allowance("b", "rows", 400)
        terms = plan({"a": PerUnit(FEN), "b": PerUnit(2 * FEN)}, allowances=(shared, own, unused))
        taken = allowance_usage(terms, TEN_DAYS, [used("a", 70, late=10), used("b", 130)])
        assert taken == [
            AllowanceUsage(own, 16, {("a", "rows"): 16}),
            AllowanceUsage(unused, 129, {("b", "rows"): 129}),
            AllowanceUsage(shared, 64, {("b", "rows"): 1, ("a", "rows"): 63}),
        ]
        assert [one.used_units for one in taken] == [16, 129, 64]
        assert [one.used_units for one in allowance_usage(terms, TEN_DAYS, [])] == [0, 0, 0]

    def test_allowance_of_another_meter_is_not_used(self) -> None:
        terms = plan(
            {"a:input_tokens": PerUnit(FEN), "a:output_tokens": PerUnit(FEN)},
            allowances=(Allowance(ANY_MODEL, "output_tokens", 100),),
        )
        assert minors(terms, ModelUsage("a", Quantities(10, None, 10))) == [10, 0]

    @pytest.mark.parametrize(
        ("price", "minor"),
        # 15 used, 5 included: the 10 that are left are the first of the period.
        [(Graduated(TIERS), 50), (Volume(TIERS), 50), (Package(4, FEN), 3)],
    )
    def test_included_units_are_deducted_before_tiers_and_packages(
        self, price: Price, minor: int
    ) -> None:
        terms = plan({"a": price}, allowances=(Allowance("a", "rows", 5),))
        assert minors(terms, used("a", 15)) == [minor]


class TestDiscountLines:
    @pytest.mark.parametrize(
        ("discounts", "off"),
        [
            # a comes to 1000 and b to 500
            ({ANY_MODEL: 100_000}, {None: -150}),
            ({"b": 100_000}, {"b": -50}),
            # That of all models is for those that have none of their own.
            ({"a": 200_000, ANY_MODEL: 100_000}, {"a": -200, None: -50}),
            ({ANY_MODEL: 100_000, "a": 200_000}, {None: -50, "a": -200}),
            ({"a": 1, "b": PPM}, {"b": -500}),  # a thousandth of a fen is no line
            ({ANY_MODEL: 333_333}, {None: -500}),  # 499.9995
        ],
    )
    def test_discount_is_a_negative_line_after_usage(
        self, discounts: dict[str, int], off: dict[str | None, int]
    ) -> None:
        terms = plan(
            {"a": PerUnit(10 * FEN), "b": PerUnit(5 * FEN)},
            discounts=tuple(Discount(*pair) for pair in discounts.items()),
        )
        lines = usage_lines(terms, WHOLE, [used("a", 100), used("b", 100)])
        assert [line.minor for line in lines[:2]] == [1000, 500]
        assert {line.model: line.minor for line in lines[2:]} == off
        for line in lines[2:]:
            assert line.kind is LineKind.DISCOUNT
            assert line.ppm == discounts[line.model or ANY_MODEL]
            assert line.version_id == terms.version_id()

    def test_discount_applies_to_late_usage(self) -> None:
        terms = plan({"a": PerUnit(FEN)}, discounts=(Discount("a", 500_000),))
        assert minors(terms, used("a", 10, late=20)) == [10, 20, -15]


class TestMinimumLine:
    @pytest.mark.parametrize(
        ("rows", "share", "minor"),
        [
            # A minimum of 1000; a row costs 1, less 10 %
            (0, WHOLE, [1000]),
            (700, WHOLE, [700, -70, 370]),
            (1110, WHOLE, [1110, -111, 1]),
            (1111, WHOLE, [1111, -111]),  # 1000 exactly
            (2000, WHOLE, [2000, -200]),
            (0, TEN_DAYS, [323]),  # 322.58
            (100, TEN_DAYS, [100, -10, 233]),
            (0, Fraction(0), []),
        ],
    )
    def test_line_contains_the_shortfall_to_the_prorated_minimum(
        self, rows: int, share: Fraction, minor: list[int]
    ) -> None:
        terms = plan({"a": PerUnit(FEN)}, discounts=(Discount(ANY_MODEL, 100_000),), minimum=1000)
        assert minors(terms, used("a", rows), share=share) == minor

    def test_period_without_usage_has_only_the_minimum_line(self) -> None:
        terms = plan({"a": PerUnit(FEN)}, minimum=1000)
        assert usage_lines(terms, WHOLE, []) == [
            StatementLine(LineKind.MINIMUM, 1000, terms.version_id())
        ]


class TestLateUsageLines:
    @pytest.mark.parametrize(
        ("price", "allowance", "lines"),
        [
            # 8 on time and 5 late: together 10 at 5 and 3 at 3
            (Graduated(TIERS), 0, [("usage", 8, 0, 40), ("late_usage", 5, 0, 19)]),
            # What is on time is included first: 2 at 5, then 5 more at 5
            (Graduated(TIERS), 6, [("usage", 8, 6, 10), ("late_usage", 5, 0, 25)]),
            (Graduated(TIERS), 8, [("usage", 8, 8, 0), ("late_usage", 5, 0, 25)]),
            (Graduated(TIERS), 10, [("usage", 8, 8, 0), ("late_usage", 5, 2, 15)]),
            (Graduated(TIERS), 99, [("usage", 8, 8, 0), ("late_usage", 5, 5, 0)]),
            # 8 fill two packages of 4, and 5 more begin two others
            (Package(4, 9 * FEN), 0, [("usage", 8, 0, 18), ("late_usage", 5, 0, 18)]),
            # 13 at 3 are 39: late units reach the cheaper tier, and cost less than nothing
            (Volume(TIERS), 0, [("usage", 8, 0, 40), ("late_usage", 5, 0, -1)]),
        ],
    )
    def test_late_usage_costs_the_increase_of_the_total(
        self, price: Price, allowance: int, lines: list[tuple[str, int, int, int]]
    ) -> None:
        allowances = (Allowance("a", "rows", allowance),) if allowance else ()
        terms = plan({"a": price}, allowances=allowances)
        found = figures(usage_lines(terms, WHOLE, [used("a", 8, late=5)]))
        assert found == [(kind, "a", *rest) for kind, *rest in lines]

    def test_late_usage_without_usage_on_time_has_its_own_line(self) -> None:
        terms = plan({"a": PerUnit(FEN)}, allowances=(Allowance("a", "rows", 3),))
        assert figures(usage_lines(terms, WHOLE, [used("a", 0, late=5)])) == [
            ("late_usage", "a", 5, 3, 2)
        ]

    def test_late_usage_of_an_expensive_model_is_included_before_cheap_usage(self) -> None:
        terms = plan(
            {"a": PerUnit(FEN), "b": PerUnit(2 * FEN)},
            allowances=(Allowance(ANY_MODEL, "rows", 5),),
        )
        assert minors(terms, used("a", 5), used("b", 0, late=5)) == [5, 0]


class TestRunningTotal:
    @pytest.mark.parametrize(
        ("price", "rows", "expected"),
        [
            (PerUnit(7), 3, RunningTotal(21, 0)),
            (Package(10, 25), 0, RunningTotal(0, 25)),
            (Package(10, 25), 11, RunningTotal(50, 25)),
            (Graduated((Tier(10, 5), Tier(None, 3, 100))), 10, RunningTotal(50, 100)),
            (Graduated((Tier(10, 5), Tier(None, 3, 100))), 11, RunningTotal(153, 0)),
        ],
    )
    def test_worked_examples_of_amount_and_reserve(
        self, price: Price, rows: int, expected: RunningTotal
    ) -> None:
        terms = plan({"a": price}, minimum=10**6)  # which only the end of the period calls for
        assert running_total(terms, WHOLE, [used("a", rows)]) == expected

    def test_allowances_discounts_late_usage_and_unused_models_are_applied(self) -> None:
        terms = plan(
            {"a": PerUnit(10), "b": Package(10, 25)},
            allowances=(Allowance("a", "rows", 31),),
            discounts=(Discount("b", 500_000), Discount(ANY_MODEL, 100_000)),
        )
        # a: 10 of 31 are included, 12 + 3 - 10 = 5 at 10, less 10 %; b: 25 less 50 % is 12.5
        assert running_total(terms, TEN_DAYS, [used("a", 12, late=3)]) == RunningTotal(45, 13)

    def test_fractions_of_a_nano_unit_are_rounded_up(self) -> None:
        terms = plan(
            {"a": PerUnit(1), "b": PerUnit(1)}, discounts=(Discount("a", 1), Discount("b", PPM))
        )
        # 0.999999 of a, and nothing of b
        assert running_total(terms, WHOLE, [used("a", 1), used("b", 1)]) == RunningTotal(1, 0)
        assert (unit_prices(terms, "a"), unit_prices(terms, "b")) == ({"rows": 1}, {"rows": 0})


class TestReservationPrices:
    def test_unit_price_per_meter_includes_the_discount(self) -> None:
        terms = plan(
            {
                "a:input_tokens": Graduated(TIERS),
                "a:output_tokens": Package(3, 10),
                "b:rows": PerUnit(11),
            },
            discounts=(Discount("a", 500_000),),
        )
        # 5 fen less half; 10 for 3 is 4 a unit, less half; 11 whole
        assert unit_prices(terms, "a") == {"input_tokens": 25_000_000, "output_tokens": 2}
        assert unit_prices(terms, "b") == {"rows": 11}
        assert unit_prices(terms, "unknown") == {}
