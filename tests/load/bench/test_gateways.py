"""The targets of the comparison of gateways, and the commits that it reads from a gateway."""

import pytest

from load.bench.gateways.commits import CommitDurations
from load.bench.gateways.measurement import HALF_RATE, PLAIN, Measurement, ResultKey
from load.bench.gateways.targets import Limit, render_targets

_METRICS = """\
# TYPE maas_settle_duration_seconds histogram
maas_settle_duration_seconds_bucket{le="0.001"} %d
maas_settle_duration_seconds_bucket{le="0.002"} %d
maas_settle_duration_seconds_bucket{le="+Inf"} %d
"""


def measurement(
    cpu_ms: float, database_ms: float | None = None, commit_p99_ms: float | None = None
) -> Measurement:
    return Measurement(1000.0, cpu_ms, database_ms, 0.02, 1.0, 10 * cpu_ms, 100.0, 0, commit_p99_ms)


def test_ratio_is_the_median_of_the_rounds_and_is_judged_by_its_target() -> None:
    results = {
        ResultKey("maas", PLAIN, 16): [measurement(c, 0.4) for c in (1.0, 2.4, 1.4)],
        ResultKey("bare", PLAIN, 16): [measurement(1.0) for _ in range(3)],
    }
    lines = render_targets(results)
    assert "| CPU per plain call, maas / bare | 16 | 1.40 | ≤ 1.5 | met |" in lines
    expected = "| CPU with PostgreSQL per plain call, maas / bare | 16 | 1.80 | ≤ 1.9 | met |"
    assert expected in lines


def test_several_workers_are_judged_by_their_cpu_time_per_call() -> None:
    results = {
        ResultKey("maas, 2 workers", PLAIN, 256): [measurement(1.2)],
        ResultKey("maas", PLAIN, 256): [measurement(1.0)],
    }
    assert "| CPU per plain call, maas, 2 workers / 1 | 256 | 1.20 | ≤ 1.05 | missed |" in (
        render_targets(results)
    )


@pytest.mark.parametrize(("commit_p99_ms", "verdict"), [(2.0, "≤ 6 | missed"), (8.0, "≤ 12 | met")])
def test_latency_target_grows_with_the_commits_of_the_run(
    commit_p99_ms: float, verdict: str
) -> None:
    results = {
        ResultKey("maas", HALF_RATE, 256): [measurement(2.0, 0.4, commit_p99_ms)],
        ResultKey("bare", HALF_RATE, 256): [measurement(1.0)],
    }
    line = "| p99 at half of what maas can do, maas − bare, ms | 256 | 10.00 | "
    assert f"{line}{verdict} |" in render_targets(results)


def test_minimum_is_met_from_its_value_on() -> None:
    limit = Limit(25, is_minimum=True)
    assert (limit.verdict(25.0), limit.verdict(24.9), str(limit)) == ("met", "missed", "≥ 25")


def test_commit_quantile_counts_only_commits_between_two_readings() -> None:
    before, after = (
        CommitDurations.parse(_METRICS % counts) for counts in ((9, 9, 9), (9, 19, 19))
    )
    assert before.quantile_ms(after, 0.5) == pytest.approx(1.5)
    assert before.quantile_ms(before, 0.5) is None


def test_commit_quantile_above_the_last_bound_is_that_bound() -> None:
    before, after = (CommitDurations.parse(_METRICS % counts) for counts in ((0, 0, 0), (0, 0, 4)))
    assert before.quantile_ms(after, 0.99) == pytest.approx(2.0)
