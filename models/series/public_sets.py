"""Public sets of series, as their files have them: engines and bearings.

The engines keep all columns of their file: a customer does not know which ones are constant.
"""

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.series.series import Floats
from models.training_data import TrainingDataMissing, read_training_set

ENGINE_COLUMNS = (
    *(f"setting_{number}" for number in range(1, 4)),
    *(f"sensor_{number}" for number in range(1, 22)),
)
_ENGINES_SOURCE = "the NASA C-MAPSS files"
SAMPLE_COLUMN = "vibration"
# Of each recording that a model is trained on: a file has at most a million rows.
RECORDED_STEPS = 20_480
_BEARINGS = Path("cwru")
_SCALE = "__scale"


@dataclass(frozen=True, slots=True)
class Engines:
    """Histories, [cycles, ENGINE_COLUMNS] each, and the cycles that remain after each."""

    histories: tuple[Floats, ...]
    remaining: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of a bearing: fault with its size, load in horsepower, samples."""

    fault: str
    load: str
    samples: Floats


def read_training_engines(directory: Path, fleet: str) -> Engines:
    """Read the engines of a fleet that ran to failure. Raises TrainingDataMissing."""
    histories = _read_histories(directory, f"train_{fleet}.txt.gz")
    return Engines(histories, (0,) * len(histories))


def read_test_engines(directory: Path, fleet: str) -> Engines:
    """Read the engines of a fleet that still ran. Raises TrainingDataMissing."""
    histories = _read_histories(directory, f"test_{fleet}.txt.gz")
    lives = read_training_set(directory, Path("cmapss", f"RUL_{fleet}.txt"), _ENGINES_SOURCE)
    return Engines(histories, tuple(int(line) for line in lives.split()))


def _read_histories(directory: Path, name: str) -> tuple[Floats, ...]:
    """Read a file of histories: engine, cycle, three settings and 21 sensors."""
    content = gzip.decompress(read_training_set(directory, Path("cmapss", name), _ENGINES_SOURCE))
    table = np.loadtxt(io.BytesIO(content), ndmin=2)
    starts = np.flatnonzero(np.diff(table[:, 0])) + 1
    return tuple(np.split(table[:, 2:], starts))


def read_bearings(directory: Path) -> Sequence[Recording]:
    """Read the recordings below `directory/cwru`, by name. Raises TrainingDataMissing."""
    paths = sorted((directory / _BEARINGS).glob("*.npz"))
    if not paths:
        raise TrainingDataMissing(f"{directory / _BEARINGS} has no recordings (*.npz).")
    found: dict[str, Recording] = {}
    for path in paths:
        with np.load(path) as archive:
            for name in archive.files:
                if not name.endswith(_SCALE):
                    fault, _, load = name.rpartition("_")
                    samples = archive[name] * float(archive[name + _SCALE])
                    found[name] = Recording(fault, load, samples)
    return [found[name] for name in sorted(found)]
