"""The steel plates' faults as arrays.

Owns where the file is looked for and which of its columns are measures and which the seven faults.
"""

import csv
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.training_data import TrainingDataMissing, content

Floats = NDArray[np.float32]
Places = NDArray[np.intp]

FILE = Path("steel_plates", "stell-faults.csv.gz")
# The file's names, in the order in which the model takes them.
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
# What a fault is called here, and its column of zeros and ones in the file, misspelt as there.
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

    measures: [plates, MEASURES]. faults: of each plate the place among FAULTS, [plates]. sha256: of
    the compressed file.
    """

    measures: Floats
    faults: Places
    sha256: str

    def __len__(self) -> int:
        return len(self.faults)


def load(directory: Path) -> Dataset:
    """Read `steel_plates/stell-faults.csv.gz` below `directory`.

    Raises TrainingDataMissing where the file is absent, lacks a column or holds a plate without
    exactly one fault.
    """
    packed = content(directory, FILE, "Steel Plates Faults (UCI 198, gzipped CSV)")
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    present = set(rows[0] if rows else ())
    if missing := sorted({*MEASURES, *FAULTS.values()} - present):
        raise TrainingDataMissing(f"{FILE} lacks the columns {', '.join(missing)}.")
    return Dataset(_measures(rows), _faults(rows), hashlib.sha256(packed).hexdigest())


def _measures(rows: Sequence[Mapping[str, str]]) -> Floats:
    return np.array([[row[name] for name in MEASURES] for row in rows], dtype=np.float32)


def _faults(rows: Sequence[Mapping[str, str]]) -> Places:
    marks = np.array([[row[column] == "1" for column in FAULTS.values()] for row in rows])
    if not np.all(marks.sum(axis=1) == 1):
        raise TrainingDataMissing(f"{FILE} holds a plate that has not exactly one fault.")
    return np.asarray(marks.argmax(axis=1))
