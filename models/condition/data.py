"""Load the labelled cycles of a hydraulic test rig (UCI 447) as arrays."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
Labels = NDArray[np.intp]

FOLDER = Path("hydraulic")
SERIES_FILES = ("hyd_a.npz", "hyd_b.npz")
CONDITIONS_FILE = "profile.txt"
# Length of a cycle of constant load steps, with one reading a second.
SECONDS = 60
# In the order of the model's inputs.
SENSORS = (
    *("PS1", "PS2", "PS3", "PS4", "PS5", "PS6"),
    *("EPS1", "FS1", "FS2"),
    *("TS1", "TS2", "TS3", "TS4"),
    *("VS1", "CE", "CP", "SE"),
)
# In the file `47.202` is 47202, but `47.2` is correct: the decimal point before three digits was
# read as a thousands separator. Values above these limits are misread.
_MISREAD_ABOVE: Mapping[str, float] = MappingProxyType({"CE": 1000.0, "CP": 100.0})


@dataclass(frozen=True, slots=True)
class Target:
    """A component with its column in the conditions file and its conditions, worst first."""

    name: str
    column: int
    conditions: tuple[int, ...]

    @property
    def healthy(self) -> int:
        """Label of the healthy condition, the last one."""
        return len(self.conditions) - 1


TARGETS = (
    Target("cooler", 0, (3, 20, 100)),
    Target("valve", 1, (73, 80, 90, 100)),
    Target("pump", 2, (2, 1, 0)),
    Target("accumulator", 3, (90, 100, 115, 130)),
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Cycles in order of time.

    readings: [cycles, sensors, SECONDS]. labels: index of each cycle's condition in
    `Target.conditions`, [cycles, targets]. sha256: digest of each file by name.
    """

    readings: Floats
    labels: Labels
    sha256: Mapping[str, str]

    def __len__(self) -> int:
        """Number of cycles."""
        return len(self.readings)


def load(directory: Path) -> Dataset:
    """Read the series and the conditions below `directory/hydraulic`.

    Raises TrainingDataMissing if a file is missing or invalid.
    """
    paths = [directory / FOLDER / name for name in (*SERIES_FILES, CONDITIONS_FILE)]
    for path in paths:
        if not path.is_file():
            raise TrainingDataMissing(
                f"{path} is absent. Put the hydraulic rig's data there (UCI 447, 1 Hz means), or "
                f"give the folder that contains {FOLDER} with --data or {DIRECTORY_VARIABLE}."
            )
    readings = _read_series(paths[:-1])
    labels = _read_labels(paths[-1])
    if len(readings) != len(labels):
        raise TrainingDataMissing(f"{paths[-1]} has {len(labels)} cycles, not {len(readings)}.")
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return Dataset(readings, labels, MappingProxyType(hashes))


def _read_series(paths: list[Path]) -> Floats:
    """Read the series of all sensors, [cycles, sensors, SECONDS]."""
    series: dict[str, Floats] = {}
    for path in paths:
        try:
            with np.load(path) as archive:
                series |= {name: archive[name].astype(np.float32) for name in archive.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise TrainingDataMissing(f"{path} contains no arrays: {error}") from error
    if missing := sorted(set(SENSORS) - set(series)):
        raise TrainingDataMissing(f"The sensors {', '.join(missing)} are missing.")
    return np.stack([_repair_decimal_points(name, series[name]) for name in SENSORS], axis=1)


def _repair_decimal_points(name: str, values: Floats) -> Floats:
    """Divide by 1000 the values of sensor file `name` whose decimal point was lost in the file."""
    limit = _MISREAD_ABOVE.get(name)
    return values if limit is None else np.where(values > limit, values / 1000, values)


def _read_labels(path: Path) -> Labels:
    """Read the label of each cycle and target, [cycles, targets]."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    try:
        columns = [
            [target.conditions.index(int(row[target.column])) for row in rows] for target in TARGETS
        ]
    except (ValueError, IndexError) as error:
        raise TrainingDataMissing(f"{path} contains an unknown condition: {error}") from error
    return np.array(columns, dtype=np.intp).T
