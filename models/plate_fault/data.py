"""Load the Steel Plates Faults data set (UCI 198) as arrays."""

import csv
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.training_data import TrainingDataMissing, read_training_set

Floats = NDArray[np.float32]
ClassIndices = NDArray[np.intp]

FILE = Path("steel_plates", "stell-faults.csv.gz")
# Column names of the file, in the order of the model's inputs.
MEASURES = (
    *("X_Minimum", "X_Maximum", "Y_Minimum", "Y_Maximum"),
    *("Pixels_Areas", "X_Perimeter", "Y_Perimeter"),
    *("Sum_of_Luminosity", "Minimum_of_Luminosity", "Maximum_of_Luminosity"),
    *("Length_of_Conveyer", "TypeOfSteel_A300", "TypeOfSteel_A400", "Steel_Plate_Thickness"),
    *("Edges_Index", "Empty_Index", "Square_Index", "Outside_X_Index"),
    *("Edges_X_Index", "Edges_Y_Index", "Outside_Global_Index"),
    *("LogOfAreas", "Log_X_Index", "Log_Y_Index"),
    *("Orientation_Index", "Luminosity_Index", "SigmoidOfAreas"),
)
# Fault names and their 0/1 columns in the file, with the file's misspellings.
FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "pastry": "Pastry",
        "z_scratch": "Z_Scratch",
        "k_scratch": "K_Scatch",
        "stains": "Stains",
        "dirtiness": "Dirtiness",
        "bumps": "Bumps",
        "other": "Other_Faults",
    }
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Faulty plates in the file's order, which is by fault.

    measures: [plates, MEASURES]. faults: index in FAULTS of each plate's fault, [plates]. sha256:
    digest of the compressed file.
    """

    measures: Floats
    faults: ClassIndices
    sha256: str

    def __len__(self) -> int:
        return len(self.faults)


def load(directory: Path) -> Dataset:
    """Read `steel_plates/stell-faults.csv.gz` below `directory`.

    Raises TrainingDataMissing if the file is absent, lacks a column or holds a plate without
    exactly one fault.
    """
    packed = read_training_set(directory, FILE, "Steel Plates Faults (UCI 198, gzipped CSV)")
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    present = set(rows[0] if rows else ())
    if missing := sorted({*MEASURES, *FAULTS.values()} - present):
        raise TrainingDataMissing(f"{FILE} does not have the columns {', '.join(missing)}.")
    return Dataset(_parse_measures(rows), _parse_faults(rows), hashlib.sha256(packed).hexdigest())


def _parse_measures(rows: Sequence[Mapping[str, str]]) -> Floats:
    """Return the measures, [plates, MEASURES]."""
    return np.array([[row[name] for name in MEASURES] for row in rows], dtype=np.float32)


def _parse_faults(rows: Sequence[Mapping[str, str]]) -> ClassIndices:
    """Return each plate's index in FAULTS. Raises TrainingDataMissing if it has not exactly one."""
    flags = np.array([[row[column] == "1" for column in FAULTS.values()] for row in rows])
    if not np.all(flags.sum(axis=1) == 1):
        raise TrainingDataMissing(f"{FILE} contains a plate without exactly one fault.")
    return np.asarray(flags.argmax(axis=1))
