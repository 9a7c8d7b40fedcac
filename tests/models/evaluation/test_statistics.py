"""Statistics of evaluations, compared with statsmodels and scipy."""

from typing import TYPE_CHECKING

import pytest
from scipy.stats import binomtest

from infra.lazy_import import LazyModule
from models.evaluation.statistics import (
    Verdict,
    compare_pairs,
    mcnemar_p_value,
    percentile,
    wilson_interval,
)

if TYPE_CHECKING:
    from statsmodels.stats import contingency_tables, proportion
else:
    contingency_tables = LazyModule("statsmodels.stats.contingency_tables")
    proportion = LazyModule("statsmodels.stats.proportion")


class TestWilsonInterval:
    @pytest.mark.parametrize(("successes", "total"), [(0, 5), (5, 5), (17, 20), (850, 1000)])
    def test_interval_equals_statsmodels(self, successes: int, total: int) -> None:
        expected = proportion.proportion_confint(successes, total, method="wilson")
        assert wilson_interval(successes, total) == pytest.approx(expected, abs=1e-12)

    def test_interval_without_trials_is_everything(self) -> None:
        assert wilson_interval(0, 0) == (0.0, 1.0)


class TestMcNemar:
    @pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (8, 3), (30, 30), (400, 300)])
    def test_p_value_equals_the_exact_test(self, first: int, second: int) -> None:
        table = [[0, first], [second, 0]]
        exact = contingency_tables.mcnemar(table, exact=True).pvalue if first + second else 1.0
        assert mcnemar_p_value(first, second) == pytest.approx(exact)
        if first + second:
            assert mcnemar_p_value(first, second) == pytest.approx(
                binomtest(first, first + second).pvalue
            )

    def test_verdict_needs_significance(self) -> None:
        better = [(True, False)] * 6 + [(True, True), (False, False)]
        compared = compare_pairs(better)
        assert (compared.verdict, compared.only_first) == (Verdict.BETTER, 6)
        assert (compared.both_correct, compared.neither) == (1, 1)
        assert compare_pairs([(b, a) for a, b in better]).verdict is Verdict.WORSE
        assert compare_pairs(better[1:]).verdict is Verdict.NO_DIFFERENCE_SHOWN
        assert compare_pairs([]).verdict is Verdict.NO_DIFFERENCE_SHOWN


def test_percentile_is_the_nearest_rank() -> None:
    values = list(range(1, 101))
    assert (percentile(values, 50), percentile(values, 95)) == (50, 95)
    assert (percentile([7], 95), percentile([], 50)) == (7, None)
