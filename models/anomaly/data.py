"""Load the SKAB experiments of a water circulation rig as arrays.

**SKAB is GPL-3.0: use it for tests and metrics only**; nothing fitted on it may be shipped.
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
_LABEL_COLUMN = "anomaly"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run of the rig at one row a second: `readings` [rows, sensors], `anomalous` [rows]."""

    readings: Floats
    anomalous: Flags


@dataclass(frozen=True, slots=True)
class Dataset:
    """The labelled experiments of SKAB's folder `other` by number, and a run without anomaly.

    anomaly_free: [rows, sensors]. sha256: digest of each compressed file by name.
    """

    experiments: tuple[Experiment, ...]
    anomaly_free: Floats
    sha256: Mapping[str, str]


def load(directory: Path) -> Dataset:
    """Read the SKAB files below `directory/skab`.

    Raises TrainingDataMissing if a file or a column is missing.
    """
    names = [f"other/{number}.csv.gz" for number in range(1, EXPERIMENTS + 1)]
    anomaly_free = "anomaly-free/anomaly-free.csv.gz"
    compressed = {name: _read_file(directory / FOLDER / name) for name in [*names, anomaly_free]}
    return Dataset(
        tuple(_parse_experiment(name, compressed[name]) for name in names),
        _parse_columns(anomaly_free, compressed[anomaly_free], SENSORS),
        MappingProxyType(
            {name: hashlib.sha256(content).hexdigest() for name, content in compressed.items()}
        ),
    )


def _read_file(path: Path) -> bytes:
    """Read a file. Raises TrainingDataMissing if it is missing."""
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put SKAB's gzipped files there, or give the folder that contains "
            f"{FOLDER} with --data or {DIRECTORY_VARIABLE}."
        )
    return path.read_bytes()


def _parse_experiment(name: str, compressed: bytes) -> Experiment:
    """Parse readings and labels of one experiment."""
    table = _parse_columns(name, compressed, (*SENSORS, _LABEL_COLUMN))
    return Experiment(table[:, :-1], table[:, -1] == 1.0)


def _parse_columns(name: str, compressed: bytes, columns: Sequence[str]) -> Floats:
    """Parse columns of a gzipped CSV file by name, [rows, columns]."""
    rows = list(csv.DictReader(gzip.decompress(compressed).decode().splitlines(), delimiter=";"))
    if missing := sorted(set(columns) - set(rows[0] if rows else ())):
        raise TrainingDataMissing(f"{name} does not have the columns {', '.join(missing)}.")
    return np.array([[row[column] for column in columns] for row in rows], dtype=np.float64)
