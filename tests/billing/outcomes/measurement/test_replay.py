"""Replay of a measurement from its text alone, on processors with another order of addition."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from billing.outcomes.measurement.evidence import parse_study
from billing.outcomes.measurement.plan import DateRange, MeasurementMethod, SwitchbackSchedule
from billing.outcomes.measurement.savings_measurement import measure_savings
from tests.billing.outcomes.measurement.making import AFTER, FIRST, TURN, agreeing, study

ROOT = Path(__file__).parents[4]
REPLAY = """
import sys
from billing.outcomes.measurement.evidence import parse_study
from billing.outcomes.measurement.savings_measurement import measure_savings
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(measure_savings(parse_study(line)).canonical_json() + b"\\n")
"""
BEFORE_AND_AFTER = [
    study(seed, noise=30.0 + 10 * seed, saving=0.1, rho=0.1 * seed) for seed in range(0, 8, 2)
]
IN_TURN = {
    "method": MeasurementMethod.SWITCHBACK,
    "baseline": None,
    "reporting": DateRange(FIRST, TURN + timedelta(days=AFTER)),
    "weeks": SwitchbackSchedule(days=8),
}
STUDIES = [*BEFORE_AND_AFTER, *(agreeing(one, **IN_TURN) for one in BEFORE_AND_AFTER)]


def replayed(**processor: str) -> list[bytes]:
    """The measurements by another process with the given processor settings."""
    told = b"\n".join(one.canonical_json() for one in STUDIES)
    done = subprocess.run(
        [sys.executable, "-c", REPLAY],
        cwd=ROOT,
        input=told,
        capture_output=True,
        check=True,
        env={**os.environ, **processor},
    )
    return done.stdout.splitlines()


def test_replay_from_text_gives_the_same_measurement() -> None:
    again = [measure_savings(parse_study(one.canonical_json())) for one in STUDIES]
    assert again == [measure_savings(one) for one in STUDIES]


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "processor",
    [
        {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"},
    ],
)
def test_replay_on_another_processor_gives_the_same_bytes(processor: dict[str, str]) -> None:
    assert replayed(**processor) == [measure_savings(one).canonical_json() for one in STUDIES]
