"""Lines of fapiao: amounts, tax and categories agree with the invoice to the cent."""

import random
from fractions import Fraction

from billing.fapiao.lines import (
    BilledItem,
    Category,
    FapiaoLine,
    build_lines,
    category_weights,
    contained_tax,
    lines_from_json,
    part_of_lines,
    subtract_lines,
    sum_of_lines,
)
from billing.money import PPM, rounded
from billing.rating.taxes import Tax, TaxTreatment, apply_tax

SIX, NONE = Tax(ppm=60_000), Tax()
SYSTEM, SOFTWARE = Category("3040203000000000000", "系统"), Category("3040201000000000000", "软件")
TESTING = Category("3040202000000000000", "测试")
CATEGORIES = {"*": SYSTEM, "vib": SOFTWARE}


class TestCategoryWeights:
    def test_lines_are_added_up_by_category_of_their_model_or_kind(self) -> None:
        items = [
            BilledItem("vib", "usage", 50_00),
            BilledItem("vib", "late_usage", 10_00),
            BilledItem("llm", "usage", 30_00),
            BilledItem(None, "fixed_fee", 310_00),
        ]
        assert category_weights(items, CATEGORIES) == {SOFTWARE: 60_00, SYSTEM: 340_00}
        fee = {**CATEGORIES, "fixed_fee": TESTING}
        assert category_weights(items, fee)[TESTING] == 310_00

    def test_discount_of_a_model_reduces_its_category_that_of_a_plan_all(self) -> None:
        items = [
            BilledItem("vib", "usage", 50_00),
            BilledItem("llm", "usage", 50_00),
            BilledItem("vib", "discount", -10_00),
            BilledItem(None, "discount", -9_00),
        ]
        assert category_weights(items, CATEGORIES) == {SOFTWARE: 40_00, SYSTEM: 50_00}

    def test_category_without_positive_amount_is_left_out(self) -> None:
        items = [BilledItem(None, "unused_fee", -3_00), BilledItem("vib", "usage", 8_00)]
        assert category_weights(items, CATEGORIES) == {SOFTWARE: 8_00}

    def test_invoice_without_positive_category_has_the_default(self) -> None:
        assert category_weights([], CATEGORIES) == {SYSTEM: 1}


class TestBuildLines:
    def test_whole_invoice_of_106_has_net_100_and_tax_6(self) -> None:
        assert build_lines(106_00, {SYSTEM: 1}, SIX) == (
            FapiaoLine(SYSTEM.code, SYSTEM.item, 100_00, 6_00, 106_00),
        )

    def test_partial_payment_has_the_tax_it_contains(self) -> None:
        """33.33 / 1.06 = 31.4434, so 31.44 and 1.89."""
        (line,) = build_lines(33_33, {SYSTEM: 1}, SIX)
        assert (line.net, line.tax, line.total) == (31_44, 1_89, 33_33)

    def test_untaxed_and_exempt_invoices_have_no_tax(self) -> None:
        for tax in (NONE, Tax(TaxTreatment.EXEMPT, 60_000)):
            (line,) = build_lines(50_00, {SYSTEM: 1}, tax)
            assert (line.net, line.tax) == (50_00, 0)

    def test_two_categories_share_the_total_by_their_weights(self) -> None:
        """106.00 by 3 to 1: 79.50 and 26.50, of which 4.50 and 1.50 are tax."""
        lines = build_lines(106_00, {SYSTEM: 300, SOFTWARE: 100}, SIX)
        assert [(one.code, one.total, one.tax) for one in lines] == [
            (SYSTEM.code, 79_50, 4_50),
            (SOFTWARE.code, 26_50, 1_50),
        ]

    def test_taxes_of_lines_add_up_after_moving_a_cent(self) -> None:
        """0.27 and 0.27 at 6 % contain 0.02 each (0.0153), 0.54 contains 0.03 (0.0306)."""
        lines = build_lines(54, {SYSTEM: 1, SOFTWARE: 1}, SIX)
        assert sum(line.tax for line in lines) == 3
        assert [line.total for line in lines] == [26, 28]
        assert [line.tax for line in lines] == [1, 2]

    def test_amount_too_small_for_all_categories_has_fewer_lines(self) -> None:
        weights = {SYSTEM: 5, SOFTWARE: 4, TESTING: 3}
        assert sum_of_lines(build_lines(2, weights, SIX)).total == 2
        # 25 fen contain 1 fen of tax; 9 + 8 + 8 contain 3 times 0 or 1: every division misses.
        whole = Tax(ppm=PPM)
        for total in range(1, 60):
            lines = build_lines(total, weights, whole)
            assert sum(one.tax for one in lines) == contained_tax(total, whole).tax

    def test_net_of_any_whole_invoice_is_that_of_the_invoice(self) -> None:
        """The invoice rounds n * r to t; taking the tax out of n + t gives n again."""
        for ppm in (10_000, 30_000, 60_000, 130_000):
            for net in range(1, 3_000):
                invoiced = apply_tax(net, False, Tax(ppm=ppm))
                assert contained_tax(invoiced.total, Tax(ppm=ppm)) == invoiced

    def test_random_divisions_add_up_and_each_line_has_its_own_tax(self) -> None:
        pick = random.Random(20261130)
        for _ in range(300):
            total, ppm = pick.randint(1, 500_000), pick.choice([0, 10_000, 30_000, 60_000, 130_000])
            codes = [SYSTEM, SOFTWARE, TESTING][: pick.randint(1, 3)]
            lines = build_lines(total, {one: pick.randint(1, 999) for one in codes}, Tax(ppm=ppm))
            assert sum_of_lines(lines) == contained_tax(total, Tax(ppm=ppm))
            for line in lines:
                assert line.tax == rounded(Fraction(line.total * ppm, PPM + ppm))
                assert line.total > 0


class TestRedLetterLines:
    def test_all_that_remains_is_cancelled_exactly(self) -> None:
        lines = build_lines(54, {SYSTEM: 1, SOFTWARE: 1}, SIX)
        assert part_of_lines(lines, 54, SIX) == lines

    def test_part_has_the_tax_it_contains(self) -> None:
        lines = build_lines(106_00, {SYSTEM: 1}, SIX)
        (part,) = part_of_lines(lines, 53_00, SIX)
        assert (part.net, part.tax, part.total) == (50_00, 3_00, 53_00)

    def test_line_without_a_share_is_left_out(self) -> None:
        lines = build_lines(106_00, {SYSTEM: 10_599, SOFTWARE: 1}, SIX)
        assert [one.code for one in part_of_lines(lines, 1, SIX)] == [SYSTEM.code]

    def test_parts_in_any_sizes_cancel_net_and_tax_exactly(self) -> None:
        pick = random.Random(7)
        for _ in range(100):
            total = pick.randint(3, 2_000)
            left = build_lines(total, {SYSTEM: 3, SOFTWARE: 2}, SIX)
            while rest := sum_of_lines(left).total:
                part = part_of_lines(left, pick.randint(1, rest), SIX)
                left = subtract_lines(left, part)
                assert all(min(one.net, one.tax, one.total) >= 0 for one in (*left, *part))
            assert (sum_of_lines(left).net, sum_of_lines(left).tax) == (0, 0)

    def test_stored_lines_are_read_back(self) -> None:
        lines = build_lines(106_00, {SYSTEM: 1, SOFTWARE: 2}, SIX)
        assert lines_from_json([line.to_json() for line in lines]) == lines
