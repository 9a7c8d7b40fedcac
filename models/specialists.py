"""Retrain and evaluate every specialist, and print their figures beside the target values.

python -m models.specialists [--data FOLDER] [--only NAME …] [--table]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, le
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.anomaly import evaluate as anomaly
from models.condition import evaluate as condition
from models.condition import train as condition_train
from models.failure_class import evaluate as failure_class
from models.failure_class import train as failure_class_train
from models.plate_fault import evaluate as plate_fault
from models.plate_fault import train as plate_fault_train
from models.routing import evaluate as routing
from models.routing import train as routing_train
from models.rul import evaluate as rul
from models.rul import train as rul_train
from models.surface_defect import evaluate as surface_defect
from models.tag_align import evaluate as tag_align
from models.tag_align import train as tag_align_train
from models.training_data import default_directory

# Named by folder: catalog ids appear only in the catalog.
REMAINING_LIFE = rul_train.ARTEFACT.parent.name
CONDITION = condition_train.ARTEFACT.parent.name

CommandFunction = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Bar:
    """A target value for a figure in a specialist's `metrics.json`.

    `place` is the figure's path with slashes, `bar` the target, `holds` the comparison.
    """

    specialist: str
    what: str
    place: str
    bar: float
    holds: Callable[[float, float], bool] = ge
    percent: bool = False


# Training and evaluation commands; specialists that customers fit are only evaluated.
STEPS: Mapping[str, tuple[CommandFunction, ...]] = MappingProxyType(
    {
        REMAINING_LIFE: (rul_train.main, rul.main),
        "anomaly": (anomaly.main,),
        CONDITION: (condition_train.main, condition.main),
        "failure_class": (failure_class_train.main, failure_class.main),
        "plate_fault": (plate_fault_train.main, plate_fault.main),
        "surface_defect": (surface_defect.main,),
        "tag_align": (tag_align_train.main, tag_align.main),
        "routing": (routing_train.main, routing.main),
    }
)
BARS = (
    Bar(REMAINING_LIFE, "FD001 RMSE, truth capped, mean of 5 seeds", "single_seeds/mean", 12.0, le),
    Bar(
        REMAINING_LIFE,
        "interval of 90 % holds, engines left out",
        "interval_of_unseen_machines/covered",
        0.88,
        percent=True,
    ),
    Bar(
        REMAINING_LIFE,
        "five machines of another (stand-in) fleet, error against the whole fleet's",
        "another_fleet/mean_ratio",
        1.2,
        le,
    ),
    Bar("anomaly", "SKAB F1, settings by leave-one-out", "chosen_leaving_one_out/f1", 0.81),
    Bar(
        "anomaly",
        "SKAB false alarms",
        "chosen_leaving_one_out/false_alarms",
        0.26,
        le,
        percent=True,
    ),
    Bar("anomaly", "SKAB misses", "chosen_leaving_one_out/misses", 0.18, le, percent=True),
    Bar("failure_class", "AI4I F1, 5-fold", "stratified_5_fold/mean/f1", 0.86),
    Bar(
        CONDITION,
        "accumulator, stretches left out, mean of four ways to cut",
        "accuracy_over_all_cuts/accumulator",
        0.92,
        percent=True,
    ),
    Bar(
        "plate_fault",
        "steel plates, 10-fold",
        "stratified_10_fold/mean/accuracy",
        0.81,
        percent=True,
    ),
    Bar(
        "surface_defect",
        "NEU, 10 pictures a class, pictures never tuned on",
        "kept_apart/10/right",
        0.90,
        percent=True,
    ),
    Bar("tag_align", "SDH, 50 confirmations", "confirmed/SDH/proposed/50", 0.98, percent=True),
    Bar(
        "tag_align",
        "UVA, 100 confirmations, settings of the other building",
        "settings_chosen_on_the_other_building/UVA/right",
        0.85,
        percent=True,
    ),
    Bar("tag_align", "SDH, no confirmation, top 5", "zero_shot/SDH/top_5", 0.90, percent=True),
    Bar("tag_align", "UVA, no confirmation, top 5", "zero_shot/UVA/top_5", 0.90, percent=True),
    Bar("tag_align", "German to English, top 1", "german/with_encoder/top_1", 0.70, percent=True),
    Bar("tag_align", "Chinese to English, top 1", "chinese/with_encoder/top_1", 0.40, percent=True),
    Bar(
        "routing",
        "`auto`, 200 requests in Chinese and English",
        "requests/right",
        0.95,
        percent=True,
    ),
)


def read_figure(bar: Bar, metrics: Mapping[str, Any]) -> float:
    """Return the metric that the target value `bar` is for. Raises KeyError if not measured."""
    value: Any = metrics
    for part in bar.place.split("/"):
        value = value[part]
    return float(value)


def render_table(folder: Path = Path(__file__).parent) -> str:
    """Render the recorded figures with their targets as a Markdown table."""
    lines = ["| specialist | what | figure | bar | |", "|---|---|---|---|---|"]
    for bar in BARS:
        metrics = json.loads((folder / bar.specialist / "metrics.json").read_text("utf-8"))
        value = read_figure(bar, metrics)
        verdict = "" if bar.holds(value, bar.bar) else "**missed**"
        sign = "≥" if bar.holds is ge else "≤"
        lines.append(
            f"| {bar.specialist} | {bar.what} | {_format_figure(value, bar)} "
            f"| {sign} {_format_figure(bar.bar, bar)} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def _format_figure(value: float, bar: Bar) -> str:
    """Format a figure as a percentage or with three significant digits."""
    return f"{value:.1%}" if bar.percent else f"{value:.3g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Retrain and evaluate the specialists and print the table."""
    parser = argparse.ArgumentParser(description="Train and evaluate the specialist models.")
    parser.add_argument(
        "--data", type=Path, default=default_directory(), help="directory of the training sets"
    )
    parser.add_argument(
        "--only",
        nargs="*",
        choices=STEPS,
        default=list(STEPS),
        help="models to train (default: all)",
    )
    parser.add_argument(
        "--table", action="store_true", help="print the recorded metrics without training"
    )
    options = parser.parse_args(arguments)
    for name in () if options.table else options.only:
        for step in STEPS[name]:
            started = time.monotonic()
            step(["--data", str(options.data)])
            seconds = time.monotonic() - started
            sys.stderr.write(f"{name}: {step.__module__.rpartition('.')[2]}, {seconds:.0f} s\n")
    sys.stdout.write(render_table())


if __name__ == "__main__":
    main()
