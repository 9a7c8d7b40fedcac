"""Predicted against observed: scores, intervals that respect machines, coverage, weeks."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sklearn.metrics import f1_score

from models.observed.clusters import ClusterKind, plan_clusters
from models.observed.metrics import macro_f1, rmse
from models.observed.report import Pair, report_observed
from models.observed.resampling import contest
from models.observed.shares import share_of

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_macro_f1_is_that_of_scikit_learn(classes: int) -> None:
    generator = np.random.default_rng(classes)
    truth = generator.integers(0, classes, 200).astype(float)
    predicted = generator.integers(0, classes + 1, 200).astype(float)
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    assert macro_f1(truth, predicted) == pytest.approx(expected)


def test_better_predictor_has_a_positive_difference_with_its_interval() -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(size=400)
    near, far = truth + generator.normal(0, 0.1, 400), truth + generator.normal(0, 1.0, 400)
    found = contest(rmse, False, truth, [near, far, near], np.arange(400))
    assert found.scores[0].value == pytest.approx(0.1, abs=0.02)
    assert 0 < found.differences[1].low < found.differences[1].value < found.differences[1].high
    assert found.differences[2].low == found.differences[2].high == 0


def test_interval_of_few_machines_is_wider_than_that_of_their_rows() -> None:
    hits = np.repeat([True, True, False, True], 100)
    by_machine = share_of(hits, np.repeat(np.arange(4), 100))
    by_row = share_of(hits, np.arange(400))
    assert by_machine.value == by_row.value == 0.75
    assert by_row.high - by_row.low < 0.1 < 0.5 < by_machine.high - by_machine.low


@pytest.mark.parametrize(("all_hit", "bound"), [(True, 1.0), (False, 0.0)])
def test_share_without_variance_counts_clusters(all_hit: bool, bound: float) -> None:
    found = share_of(np.full(300, all_hit), np.repeat(np.arange(5), 60))
    assert found.value == bound
    assert found.high - found.low == pytest.approx(0.43, abs=0.02)


def test_clusters_are_machines_then_times_then_rows() -> None:
    times = np.arange(200.0)[::-1]
    kind, clusters = plan_clusters(["a", "b", "c", "a"] * 50, times, 200)
    assert (kind, len(set(clusters))) == (ClusterKind.MACHINE, 3)
    kind, clusters = plan_clusters(["a", "b"] * 100, times, 200)
    assert (kind, len(set(clusters))) == (ClusterKind.TIME, 50)
    assert clusters[0] == 49
    kind, clusters = plan_clusters(None, np.array([1.0, np.nan]), 2)
    assert (kind, list(clusters)) == (ClusterKind.ROW, [0, 1])


def numbers(errors: list[float], width: float, machine: str = "") -> list[Pair]:
    """Predictions of 10 with an interval of this half-width, one each day."""
    return [
        Pair(
            10.0,
            10.0 - error,
            MONDAY + timedelta(days=day),
            machine,
            10.0 - width,
            10.0 + width,
            0.9,
        )
        for day, error in enumerate(errors)
    ]


def test_intervals_that_hold_too_rarely_break_their_promise() -> None:
    errors = [0.0, 3.0] * 30
    report = report_observed(numbers(errors, width=2.0))
    assert report is not None
    assert report.promise is not None
    assert report.promise.nominal == pytest.approx(0.9)
    assert report.promise.observed.value == 0.5
    assert report.promise.is_kept is False
    assert report.score.value == pytest.approx(np.sqrt(4.5))
    assert report.error == pytest.approx(1.5)
    kept = report_observed(numbers(errors, width=4.0))
    assert kept is not None
    assert kept.promise is not None
    assert kept.promise.is_kept is True


def test_few_rows_do_not_judge_the_promise_and_none_give_no_report() -> None:
    report = report_observed(numbers([3.0] * 29, width=1.0))
    assert report is not None
    assert report.promise is not None
    assert report.promise.is_kept is None
    assert report_observed([]) is None


def test_weeks_begin_on_mondays_and_have_their_own_error() -> None:
    report = report_observed(numbers([0.0] * 7 + [3.0] * 7, width=2.0))
    assert report is not None
    shown = [(week.start.isoformat(), week.rows, week.error, week.share) for week in report.weeks]
    assert shown == [("2026-11-02", 7, 0.0, 1.0), ("2026-11-09", 7, 3.0, 0.0)]


def test_overconfident_classes_break_the_promise_of_their_probability() -> None:
    pairs = [
        Pair("ok", "ok" if row % 2 else "faulty", MONDAY, f"m{row % 20}", probability=0.95)
        for row in range(200)
    ]
    report = report_observed(pairs)
    assert report is not None
    assert report.promise is not None
    assert (report.metric, report.clusters) == ("macro-F1", ClusterKind.MACHINE)
    assert report.promise.is_kept is False
    (one,) = report.calibration
    assert one.probability == pytest.approx(0.95)
    assert one.correct.value == 0.5


def test_predictions_without_interval_promise_nothing() -> None:
    report = report_observed([Pair(1.0, 2.0, MONDAY)] * 3)
    assert report is not None
    assert report.promise is None
    assert report.weeks[0].share is None
