"""Evaluate models of customers' own columns: training files, timed trainings, recorded parts.

An evaluation trains as a customer does, with a file and a schema, and calls the artefact on rows
that the file does not have. Times are those of the processor: they exclude other programs.
"""

import argparse
import csv
import io
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.adaptation import AdaptFunction, Score
from models.training_data import TrainingDataMissing, default_directory

FileColumns = Mapping[str, NDArray[Any]]
"""The columns of a training file, [rows] each: texts, or numbers."""

Part = Callable[[Path], Mapping[str, Any]]
"""Computes a part of the metrics from the training sets' folder. Raises TrainingDataMissing."""

DIGITS = 4
_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Training:
    """What a training gave: artefact, score, log, and seconds of the processor and of the clock."""

    artefact: bytes
    score: Score
    log: tuple[str, ...]
    processor_s: float
    wall_s: float


def train(adapter: AdaptFunction, file: FileColumns | bytes) -> Training:
    """Train on a CSV file, or on columns as one. Raises TrainingFileInvalid."""
    content = file if isinstance(file, bytes) else render_csv(file)
    log: list[str] = []
    processor, wall = time.process_time(), time.perf_counter()
    adaptation = adapter(content, lambda event: log.append(str(event)))
    return Training(
        adaptation.artefact,
        adaptation.score,
        tuple(log),
        time.process_time() - processor,
        time.perf_counter() - wall,
    )


def render_csv(columns: FileColumns) -> bytes:
    """Render columns as a CSV file with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*map(_cells, columns.values()), strict=True))
    return text.getvalue().encode()


def _cells(column: NDArray[Any]) -> list[Any]:
    """Return the cells of a column; real numbers with all digits of single precision."""
    if column.dtype.kind == "f":
        return [f"{value:.9g}" for value in column.tolist()]
    return list(column.tolist())


def long_table(
    series: Sequence[NDArray[Any]], columns: Sequence[str], **of_series: Sequence[Any]
) -> FileColumns:
    """Return series, [steps, columns] each, as a table with one row for each step.

    of_series: columns with one value for each series, such as its name and class.
    """
    lengths = [len(one) for one in series]
    readings = np.concatenate(list(series))
    return {
        **{name: np.repeat(np.array(values), lengths) for name, values in of_series.items()},
        "step": np.concatenate([np.arange(length) for length in lengths]),
        **{name: readings[:, position] for position, name in enumerate(columns)},
    }


def call_milliseconds(call: Callable[[], object], calls: int = 300) -> dict[str, float]:
    """Return the median and the 99th percentile of a call's processor time."""
    for _ in range(_WARM_UP):
        call()
    took = np.empty(calls)
    for number in range(calls):
        began = time.process_time_ns()
        call()
        took[number] = (time.process_time_ns() - began) / 1e6
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return {"p50_ms": round_figure(p50), "p99_ms": round_figure(p99)}


def round_figure(value: float | np.floating[Any]) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)


def record_parts(
    arguments: Sequence[str] | None, description: str, metrics: Path, parts: Mapping[str, Part]
) -> None:
    """Compute parts of the metrics and print them, each written as soon as it is known.

    Parts that were not asked for keep what the file has.
    """
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--data", type=Path, default=default_directory(), help="directory of the training sets")
    add("--output", type=Path, default=metrics, help="file to write")
    add("--only", nargs="+", choices=parts, default=list(parts), help="parts to compute")
    options = parser.parse_args(arguments)
    for name in options.only:
        try:
            figures = parts[name](options.data)
        except TrainingDataMissing as error:
            parser.error(str(error))
        _write_part(options.output, list(parts), name, figures)
        sys.stdout.write(json.dumps({name: figures}, indent=2) + "\n")
        sys.stdout.flush()


def _write_part(output: Path, order: Sequence[str], name: str, figures: Mapping[str, Any]) -> None:
    """Replace a part of the metrics file; parts stay in their order."""
    known = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else {}
    known[name] = figures
    ordered = {part: known[part] for part in order if part in known}
    output.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
