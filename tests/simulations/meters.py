"""`python -m tests.simulations.meters --opendsm PYTHON`: compare our baseline with OpenDSM's.

    python3.11 -m venv there && there/bin/pip install opendsm==1.2.7 'multimethod<2'
    python -m tests.simulations.meters --opendsm there/bin/python

Uses OpenDSM's daily sample meters, the same days and temperatures; NMBE is in sample, as in
OpenDSM. OpenDSM runs in its own Python, by opendsm_fits.py.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from billing.outcomes.measurement.baseline import BaselineModel, select_baseline
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.plan import (
    DailyAggregation,
    DateRange,
    IndependentVariable,
    MeasurementPlan,
    VariableForm,
)

_AGREED = MeasurementPlan(
    unit="kWh",
    zone="America/Chicago",
    baseline=DateRange(date(2015, 1, 1), date(2017, 1, 1)),
    reporting=DateRange(date(2017, 1, 1), date(2018, 1, 1)),
    variables=(
        IndependentVariable("outside", "degF", DailyAggregation.MEAN, VariableForm.DEGREES),
    ),
)


def ours(days: Sequence[int], values: Sequence[float], outside: Sequence[float]) -> BaselineModel:
    """Fit our baseline of daily energy by outside temperature."""
    degrees = {"outside": np.array(outside, dtype=np.float64)}
    table = DailyTable(np.array(days, dtype=np.int64), np.array(values, dtype=np.float64), degrees)
    return select_baseline(table, _AGREED)


def theirs(python: str) -> list[dict[str, Any]]:
    """OpenDSM's fits of its sample meters."""
    script = Path(__file__).with_name("opendsm_fits.py")
    done = subprocess.run([python, script], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--opendsm", required=True, help="a Python that has OpenDSM")
    heads = ("meter", "CV(RMSE) ours", "OpenDSM", "NMBE ours", "OpenDSM", "our terms")
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    for their in theirs(asked.parse_args().opendsm):
        our = ours(their["days"], their["values"], their["outside"])
        bias = float(our.residuals.mean()) / float(np.mean(their["values"]))
        shares = (our.cv, their["cv"], bias, their["bias"])
        told = " | ".join(f"{100 * share:.2f} %" for share in shares)
        sys.stdout.write(f"| {their['name']} | {told} | {', '.join(our.names)} |\n")


if __name__ == "__main__":
    main()
