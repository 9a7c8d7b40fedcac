"""Parts of monitors: missing readings, statistics, tails, folds, stretches, shares."""

import numpy as np
import pytest

from models.monitoring.components import fit_components
from models.monitoring.fitting import SHORT_WINDOW, WINDOW, choose_scales, default_window
from models.monitoring.folds import plan_folds
from models.monitoring.shares import estimate_shares
from models.monitoring.statistics import measure_terms, plan_terms, scale_ratios
from models.monitoring.tails import fit_tail
from models.monitoring.windows import number_stretches, steps_so_far, stretch_ends


def related(rows: int = 400) -> np.ndarray:
    """Three columns: the second follows the first, the third is by itself."""
    generator = np.random.default_rng(3)
    first, third = generator.normal(0, 1, (2, rows))
    return np.stack([first, 5 * first + generator.normal(0, 0.2, rows), third], axis=1)


class TestComponents:
    def test_scores_have_the_variances_of_the_components(self) -> None:
        found = fit_components(related(), np.zeros(3))
        assert np.allclose(found.scores(related()).var(axis=0), found.variances)
        assert found.leading == 1

    def test_missing_reading_is_what_the_other_columns_suggest(self) -> None:
        found = fit_components(related(), np.zeros(3))
        row = np.array([[2.0, np.nan, 0.0], [np.nan, np.nan, np.nan]])
        standardized = found.standardize(row) * found.spread + found.centre
        assert standardized[0, 1] == pytest.approx(10, abs=0.5)
        assert np.allclose(standardized[1], found.centre)

    def test_missing_readings_hardly_change_the_components(self) -> None:
        rows = related()
        holes = rows.copy()
        holes[::7, 1] = np.nan
        found, whole = (fit_components(one, np.zeros(3)) for one in (holes, rows))
        assert np.allclose(found.variances, whole.variances, atol=0.05)

    def test_spread_has_a_floor(self) -> None:
        found = fit_components(related(), np.array([0.0, 0.0, 9.0]))
        assert found.spread[2] == 9.0


class TestStatistics:
    def test_terms_are_weighted_means_of_squares(self) -> None:
        scores = np.random.default_rng(1).normal(0, 1, (5, 4, 3))
        weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        terms = plan_terms(2, 1, 3, smooth_leading=False)
        found = measure_terms(scores, (1, 4), weights, terms)
        last, mean = scores[:, -1], scores.mean(axis=1)
        assert [(term.scale, term.squares, term.start) for term in terms] == [
            (0, False, 0), (0, False, 1), (1, False, 1), (1, True, 1)
        ]  # fmt: skip
        assert np.allclose(found[:, 0], last[:, 0] ** 2)
        assert np.allclose(found[:, 1], last[:, 1:] ** 2 @ [2.0, 3.0] / 2)
        assert np.allclose(found[:, 2], mean[:, 1:] ** 2 @ [5.0, 6.0] / 2)
        assert np.allclose(found[:, 3], (scores[:, :, 1:] ** 2 @ [2.0, 3.0]).mean(axis=1) / 2)

    def test_statistics_of_more_steps_than_there_are_are_zero(self) -> None:
        terms = plan_terms(2, 1, 3, smooth_leading=True)
        found = measure_terms(np.ones((2, 3, 3)), (1, 4), np.ones((2, 3)), terms)
        assert found[0].tolist() == [1, 1, 0, 0, 0, 0]
        assert scale_ratios(found, terms, 2).tolist() == [[1, 1], [1, 1]]


class TestTails:
    def test_limit_and_share_are_each_others_inverse(self) -> None:
        tail = fit_tail(np.random.default_rng(1).exponential(1, 5_000), 5_000)
        for rate in (0.3, 0.1, 0.01, 0.0001):
            assert tail.exceeded(np.array([tail.limit(rate)]))[0] == pytest.approx(rate, rel=1e-6)

    def test_limit_of_an_exponential_distribution_is_found(self) -> None:
        scores = np.random.default_rng(1).exponential(1, 50_000)
        assert fit_tail(scores, 50_000).limit(0.001) == pytest.approx(-np.log(0.001), rel=0.05)

    def test_fewer_independent_rows_raise_the_limit(self) -> None:
        scores = np.random.default_rng(1).exponential(1, 500)
        assert fit_tail(scores, 30).limit(0.01) > fit_tail(scores, 500).limit(0.01)

    def test_equal_scores_have_a_limit_above_them(self) -> None:
        assert fit_tail(np.ones(100), 100).limit(0.01) > 1


class TestFolds:
    def test_whole_machines_are_held_out(self) -> None:
        machines = np.repeat(np.arange(7), 10)
        plan = plan_folds(machines, np.ones(70, np.bool_), gap=3)
        for fold in plan.numbers:
            held = set(machines[plan.folds == fold])
            assert held.isdisjoint(machines[plan.training(fold)])
        assert plan.description == "by machine"

    def test_rows_beside_a_block_of_time_are_not_fitted_on(self) -> None:
        plan = plan_folds(np.zeros(100, dtype=np.intp), np.arange(100) != 50, gap=4)
        held, training = np.flatnonzero(plan.folds == 2), plan.training(2)
        assert np.abs(held[:, np.newaxis] - training).min() > 4
        assert 50 not in {*held, *training}


class TestWindows:
    def test_windows_lie_within_a_stretch(self) -> None:
        series = np.array([0, 0, 0, 0, 1, 1, 1])
        chosen = np.array([True, True, False, True, True, True, True])
        stretches = number_stretches(series, chosen)
        assert stretch_ends(stretches, 2).tolist() == [1, 5, 6]
        assert steps_so_far(series).tolist() == [1, 2, 3, 4, 1, 2, 3]


class TestScales:
    def test_scales_are_powers_of_four_up_to_the_window(self) -> None:
        stretches, folds = np.repeat(np.arange(5), 100), np.repeat(np.arange(5), 100)
        assert choose_scales(stretches, folds, 32) == (1, 4, 16, 32)
        assert choose_scales(stretches, folds, 16) == (1, 4, 16)
        assert choose_scales(stretches, folds, 1) == (1,)

    def test_window_that_only_one_fold_has_is_shortened(self) -> None:
        lengths = [200, 12, 12, 12, 12]
        stretches = folds = np.repeat(np.arange(5), lengths)
        assert choose_scales(stretches, folds, 32) == (1, 4, 8)

    @pytest.mark.parametrize(("length", "window"), [(100, WINDOW), (60, SHORT_WINDOW)])
    def test_window_is_short_where_stretches_are(self, length: int, window: int) -> None:
        assert default_window(np.repeat(np.arange(5), length)) == window


class TestShares:
    def test_interval_is_that_of_clusters(self) -> None:
        values = np.repeat([[0.0], [1.0]], 50, axis=0)
        (by_block,) = estimate_shares(values, np.repeat(np.arange(4), 25))
        (by_row,) = estimate_shares(values, np.arange(100))
        assert by_block.value == by_row.value == 0.5
        assert by_block.high - by_block.low > 2 * (by_row.high - by_row.low)

    def test_one_cluster_says_nothing(self) -> None:
        (share, difference) = estimate_shares(np.array([[0.5, -1.0]]), np.zeros(1))
        assert (share.low, share.high) == (0, 1)
        assert (difference.low, difference.high) == (-1, 1)
