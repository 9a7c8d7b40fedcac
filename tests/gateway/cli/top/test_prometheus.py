"""Rates and quantiles computed from two readings of a gateway's metrics."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.cli.top.prometheus import MetricsReading, metrics_delta, parse_metrics


class Metrics:
    """A counter by model and status, and a histogram, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("calls", "c", ["model", "status"], registry=self.registry)
        self.took = Histogram("took", "t", ["model"], registry=self.registry, buckets=(1, 2, 4))

    def at(self, seconds: float) -> MetricsReading:
        return parse_metrics(generate_latest(self.registry).decode(), seconds)


class TestCounterRates:
    def test_rate_is_the_increase_per_second(self) -> None:
        metrics = Metrics()
        metrics.calls.labels("a", "200").inc(7)
        before = metrics.at(10.0)
        metrics.calls.labels("a", "200").inc(3)
        metrics.calls.labels("b", "500").inc(1)
        past = metrics_delta(before, metrics.at(12.0))
        assert past.rate("calls_total") == 2.0
        assert past.rate("calls_total", model="a") == 1.5
        assert past.rate("calls_total", status="500") == 0.5
        assert past.rate("calls_total", model="c") == past.rate("no_such") == 0.0

    def test_rate_after_a_restart_counts_from_zero(self) -> None:
        old, new = Metrics(), Metrics()
        old.calls.labels("a", "200").inc(1000)
        new.calls.labels("a", "200").inc(4)
        assert metrics_delta(old.at(0.0), new.at(2.0)).rate("calls_total") == 2.0

    def test_values_are_summed_by_label(self) -> None:
        metrics = Metrics()
        metrics.calls.labels("a", "200").inc(1)
        metrics.calls.labels("a", "500").inc(2)
        reading = metrics.at(0.0)
        assert reading.values_by_label("calls_total", "model") == {"a": 3.0}
        assert reading.values_by_label("calls_total", "status") == {"200": 1.0, "500": 2.0}
        assert reading.value("calls_total", status="404") is None


class TestHistogramQuantiles:
    def test_histogram_without_new_values_has_no_quantile(self) -> None:
        metrics = Metrics()
        past = metrics_delta(metrics.at(0.0), metrics.at(1.0))
        assert past.quantile(0.5, "took") is None
        metrics.took.labels("a").observe(1.5)
        same = metrics_delta(metrics.at(0.0), metrics.at(1.0))
        assert same.quantile(0.5, "took") is None

    @pytest.mark.parametrize(
        ("share", "expected"), [(0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (1.0, 2.0)]
    )
    def test_quantile_is_interpolated_within_a_bucket(self, share: float, expected: float) -> None:
        """Two of four values are below 1 s, two between 1 s and 2 s."""
        metrics = Metrics()
        before = metrics.at(0.0)
        for value in (0.1, 0.2, 1.1, 1.2):
            metrics.took.labels("a").observe(value)
        assert metrics_delta(before, metrics.at(1.0)).quantile(share, "took") == expected

    def test_quantile_is_computed_over_all_models_or_one_model(self) -> None:
        metrics = Metrics()
        before = metrics.at(0.0)
        metrics.took.labels("a").observe(0.5)
        metrics.took.labels("b").observe(3.0)
        past = metrics_delta(before, metrics.at(1.0))
        assert past.quantile(1.0, "took") == 4.0
        assert past.quantile(1.0, "took", model="a") == 1.0

    def test_quantile_beyond_the_last_bucket_is_its_bound(self) -> None:
        metrics = Metrics()
        before = metrics.at(0.0)
        metrics.took.labels("a").observe(100.0)
        assert metrics_delta(before, metrics.at(1.0)).quantile(0.5, "took") == 4.0


def test_invalid_metrics_text_raises_value_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_metrics("<html>\nno {such\n", 0.0)
