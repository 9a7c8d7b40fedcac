"""The SKAB experiments of a water-circulation rig as arrays.

Owns where the files are looked for and which columns are sensors. **GPL-3.0: only tests and figures
may come of them**; nothing that was fitted on them is shipped.
"""

import csv
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from models.anomaly.detector import Flags, Floats
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing

FOLDER = Path("skab")
EXPERIMENTS = 14
SENSORS = (
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Temperature",
    "Thermocouple",
    "Voltage",
    "Volume Flow RateRMS",
)
_LABEL = "anomaly"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run of the rig, a row a second: `readings` [rows, sensors], `anomalous` [rows]."""

    readings: Floats
    anomalous: Flags


@dataclass(frozen=True, slots=True)
class Dataset:
    """`experiments` of the folder `other`, in the order of their numbers; `free`, [rows, sensors],
    is a run without an anomaly. sha256: of the compressed files."""

    experiments: tuple[Experiment, ...]
    free: Floats
    sha256: Mapping[str, str]


def load(directory: Path) -> Dataset:
    """Read the files below `directory/skab`.

    Raises TrainingDataMissing where one is absent or lacks a column.
    """
    names = [f"other/{number}.csv.gz" for number in range(1, EXPERIMENTS + 1)]
    free = "anomaly-free/anomaly-free.csv.gz"
    packed = {name: _read(directory / FOLDER / name) for name in [*names, free]}
    return Dataset(
        tuple(_experiment(name, packed[name]) for name in names),
        _columns(free, packed[free], SENSORS),
        MappingProxyType(
            {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
        ),
    )


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put SKAB's gzipped files there, or name the folder that holds "
            f"{FOLDER} with --data or {DIRECTORY_VARIABLE}."
        )
    return path.read_bytes()


def _experiment(name: str, packed: bytes) -> Experiment:
    table = _columns(name, packed, (*SENSORS, _LABEL))
    return Experiment(table[:, :-1], table[:, -1] == 1.0)


def _columns(name: str, packed: bytes, wanted: Sequence[str]) -> Floats:
    """The columns by name, [rows, columns]."""
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines(), delimiter=";"))
    if missing := sorted(set(wanted) - set(rows[0] if rows else ())):
        raise TrainingDataMissing(f"{name} lacks the columns {', '.join(missing)}.")
    return np.array([[row[column] for column in wanted] for row in rows], dtype=np.float64)
