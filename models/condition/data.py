"""The hydraulic rig's cycles as arrays.

Owns where the files are looked for, what is repaired in them, and which conditions there are.
"""

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
Places = NDArray[np.intp]

FOLDER = Path("hydraulic")
SERIES_FILES = ("hyd_a.npz", "hyd_b.npz")
CONDITIONS_FILE = "profile.txt"
# A cycle is one minute of constant load steps, told once a second.
SECONDS = 60
# In the order in which the model takes them.
SENSORS = (
    *("PS1", "PS2", "PS3", "PS4", "PS5", "PS6"),
    *("EPS1", "FS1", "FS2"),
    *("TS1", "TS2", "TS3", "TS4"),
    *("VS1", "CE", "CP", "SE"),
)
# The file holds `47.202` as 47202, but `47.2` as it is: the point of three decimals was read as one
# of thousands. Beyond these limits no true value lies.
_MISREAD: Mapping[str, float] = MappingProxyType({"CE": 1000.0, "CP": 100.0})


@dataclass(frozen=True, slots=True)
class Target:
    """A component, the column that tells its condition, and its conditions from the worst on."""

    name: str
    column: int
    conditions: tuple[int, ...]

    @property
    def sound(self) -> int:
        """The place of the sound condition."""
        return len(self.conditions) - 1


TARGETS = (
    Target("cooler", 0, (3, 20, 100)),
    Target("valve", 1, (73, 80, 90, 100)),
    Target("pump", 2, (2, 1, 0)),
    Target("accumulator", 3, (90, 100, 115, 130)),
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Cycles in the order of time.

    readings: [cycles, sensors, SECONDS]. places: of each cycle's condition among those of each
    target, [cycles, targets]. sha256: of the files.
    """

    readings: Floats
    places: Places
    sha256: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.readings)


def load(directory: Path) -> Dataset:
    """Read the series and the conditions below `directory/hydraulic`.

    Raises TrainingDataMissing where a file is absent or is none of these.
    """
    paths = [directory / FOLDER / name for name in (*SERIES_FILES, CONDITIONS_FILE)]
    for path in paths:
        if not path.is_file():
            raise TrainingDataMissing(
                f"{path} is absent. Put the hydraulic rig's data there (UCI 447, 1 Hz means), or "
                f"name the folder that holds {FOLDER} with --data or {DIRECTORY_VARIABLE}."
            )
    readings = _readings(paths[:-1])
    places = _places(paths[-1])
    if len(readings) != len(places):
        raise TrainingDataMissing(f"{paths[-1]} is for {len(places)} cycles, not {len(readings)}.")
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return Dataset(readings, places, MappingProxyType(hashes))


def _readings(paths: list[Path]) -> Floats:
    series: dict[str, Floats] = {}
    for path in paths:
        try:
            with np.load(path) as packed:
                series |= {name: packed[name].astype(np.float32) for name in packed.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise TrainingDataMissing(f"{path} holds no arrays: {error}") from error
    if missing := sorted(set(SENSORS) - set(series)):
        raise TrainingDataMissing(f"The series lack the sensors {', '.join(missing)}.")
    return np.stack([_repaired(name, series[name]) for name in SENSORS], axis=1)


def _repaired(name: str, values: Floats) -> Floats:
    limit = _MISREAD.get(name)
    return values if limit is None else np.where(values > limit, values / 1000, values)


def _places(path: Path) -> Places:
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    try:
        columns = [
            [target.conditions.index(int(row[target.column])) for row in rows] for target in TARGETS
        ]
    except (ValueError, IndexError) as error:
        raise TrainingDataMissing(f"{path} tells an unknown condition: {error}") from error
    return np.array(columns, dtype=np.intp).T
