"""OpenDSM's daily model on its daily sample meters, one JSON line per meter.

Runs with the Python that has OpenDSM installed and imports no module of this project.
"""

import json
import sys
import warnings
from typing import Any

import opendsm.eemeter as eemeter
from opendsm.eemeter.samples.load import load_sample, samples

ZONE = "Etc/GMT+6"  # the samples' days begin at midnight of this offset


def told(name: str) -> dict[str, Any]:
    """The days of the baseline year, and OpenDSM's goodness of fit."""
    meter, outside, about = load_sample(name)
    before = meter[meter.index < about["blackout_start_date"]]["value"].tail(365)
    data = eemeter.DailyBaselineData.from_series(
        before.tz_convert(ZONE), outside.tz_convert(ZONE), is_electricity_data=True
    )
    metrics = eemeter.DailyModel().fit(data, ignore_disqualification=True).baseline_metrics
    days = data.df.dropna(subset=["observed", "temperature"])
    return {
        "name": name,
        "days": [day.date().toordinal() for day in days.index],
        "values": days["observed"].tolist(),
        "outside": days["temperature"].tolist(),
        "cv": metrics.cvrmse_adj,
        "bias": metrics.nmbe,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for sample in samples():
        if sample.endswith("-daily"):
            sys.stdout.write(json.dumps(told(sample)) + "\n")
