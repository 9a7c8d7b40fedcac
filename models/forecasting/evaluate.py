"""Evaluate forecasters and write `metrics.json`: `python -m models.forecasting.evaluate`.

Each column of the ETT files is trained as a customer does, on the first four fifths of the rows,
and its artefact is called from rolling origins in the last fifth.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.forecasting.adapt import ForecastAdapter
from models.forecasting.data import HORIZON, LEVEL
from models.forecasting.grid import Floats
from models.forecasting.naive import seasonal_naive
from models.forecasting.scores import Comparison, ScoreInterval, compare
from models.forecasting.variant import ForecastVariant, load
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest
from models.tables.table import Texts
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
FILES = ("ett/ETTh1.csv.gz", "ett/ETTh2.csv.gz", "ett/ETTm1.csv.gz", "ett/ETTm2.csv.gz")
TIME = "date"
HORIZONS, SEASON = (24, 96), 24
TRAINING_SHARE = 0.8
# The distance of the origins has no factor in common with the season.
STRIDE = 7
LEVELS = (0.8, 0.9)
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: its times as texts and its values."""

    file: str
    name: str
    times: Texts
    values: Floats

    @property
    def training_rows(self) -> int:
        """The number of rows that are trained on."""
        return int(TRAINING_SHARE * len(self.values))

    def training_file(self) -> bytes:
        """Return the rows that are trained on as CSV."""
        rows = zip(self.times[: self.training_rows], self.values, strict=False)
        lines = [f"{moment},{value:.9g}" for moment, value in rows]
        return "\n".join([f"{TIME},{self.name}", *lines, ""]).encode()


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What an artefact answers from rolling origins, [origins, steps] each."""

    forecast: Floats
    naive: Floats
    future: Floats
    widths: Mapping[float, Floats]


def evaluate(directory: Path) -> dict[str, Any]:
    """Compute all figures of the model card, ready for JSON."""
    rows = [row for column in read_columns(directory) for row in evaluate_column(column)]
    return {
        "season": SEASON,
        "training_share": TRAINING_SHARE,
        "series": rows,
        "better_than_naive": sum(row["relative_error"] < 1 for row in rows),
        "mase_below_one": sum(row["mase"] < 1 for row in rows),
        "of": len(rows),
    }


def read_columns(directory: Path) -> Iterator[Column]:
    """Yield the columns of the files that are in the directory."""
    for file in FILES:
        path = directory / file
        if not path.is_file():
            continue
        table = read_table(gzip.decompress(path.read_bytes()))
        times = next(column for column in table.columns if column.name == TIME).as_texts()
        for column in table.columns:
            if column.numbers is not None:
                yield Column(Path(file).name.partition(".")[0], column.name, times, column.numbers)


def evaluate_column(column: Column) -> list[dict[str, Any]]:
    """Train on one column and return its figures by number of steps ahead."""
    adapter = ForecastAdapter(SchemaRequest(target=column.name, time=TIME), threads=1)
    said: list[str] = []
    artefact = adapter(column.training_file(), lambda sentence: said.append(str(sentence))).artefact
    found = call_from_origins(load(artefact), column)
    return [
        {
            "file": column.file,
            "column": column.name,
            "steps": steps,
            **_figures(found, column, steps),
            "methods": said[-1],
            "artefact_bytes": len(artefact),
        }
        for steps in HORIZONS
    ]


def call_from_origins(variant: ForecastVariant, column: Column) -> Forecasts:
    """Call a variant from rolling origins in the rows that were not trained on."""
    form, steps = variant.document.form, max(HORIZONS)
    origins = np.arange(column.training_rows - 1, len(column.values) - steps, STRIDE)
    rows = origins[:, np.newaxis] - np.arange(form.lookback - 1, -1, -1)
    columns: dict[str, Any] = {
        TIME: column.times[rows],
        column.name: column.values[rows].astype(np.float32),
        HORIZON: np.full(len(origins), steps, dtype=np.float32),
    }
    answers = {
        level: variant.run({**columns, LEVEL: np.full(len(origins), level)}) for level in LEVELS
    }
    answer = answers[LEVELS[0]]
    return Forecasts(
        answer["forecast"].astype(np.float64),
        seasonal_naive(column.values[rows], SEASON, steps),
        column.values[origins[:, np.newaxis] + np.arange(1, steps + 1)],
        {level: one["upper"] - one["forecast"] for level, one in answers.items()},
    )


def _figures(found: Forecasts, column: Column, steps: int) -> dict[str, Any]:
    """Return scores and coverage up to a number of steps ahead."""
    training = column.values[: column.training_rows]
    unit = float(np.abs(training[SEASON:] - training[:-SEASON]).mean())
    error = np.abs(found.forecast - found.future)[:, :steps]
    naive = np.abs(found.naive - found.future)[:, :steps]
    comparison = compare(error / unit, naive / unit, _blocks(len(error)))
    return {
        "mase": _round(comparison.model.value),
        "mase_interval": _interval(comparison.model),
        "naive_mase": _round(comparison.naive.value),
        "relative_error": _round(comparison.model.value / comparison.naive.value),
        "verdict": _verdict(comparison),
        "coverage": {
            str(level): _round(float(np.mean(error <= width[:, :steps])))
            for level, width in found.widths.items()
        },
        "half_width": {
            str(level): _round(float(np.mean(width[:, :steps])) / unit)
            for level, width in found.widths.items()
        },
    }


def _blocks(origins: int) -> np.ndarray:
    """Return the block of time of each origin, as long as the longest forecast."""
    return np.arange(origins) * STRIDE // max(HORIZONS)


def _verdict(comparison: Comparison) -> str:
    """Return whether the model is better than the naive forecast by more than chance explains."""
    return "better" if comparison.is_better else "worse" if comparison.is_worse else "unclear"


def _interval(score: ScoreInterval) -> list[float]:
    """Return the bounds of a score."""
    bounds = asdict(score)
    return [_round(bounds["low"]), _round(bounds["high"])]


def _round(value: float) -> float:
    """Round a figure to DIGITS decimals."""
    return round(value, DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    record_metrics(arguments, "Evaluate forecasters.", METRICS, evaluate)


if __name__ == "__main__":
    main()
