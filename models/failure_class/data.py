"""Load the AI4I 2020 milling data set as arrays.

The failure-mode columns explain the label and must never become inputs.
"""

import csv
import gzip
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.training_data import TrainingDataMissing, read_training_set

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]
Texts = NDArray[np.str_]

FILE = Path("ai4i2020", "ai4i2020.csv.gz")
TYPE_COLUMN = "Type"
QUANTITY_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "air_temperature": "Air temperature [K]",
        "process_temperature": "Process temperature [K]",
        "rotational_speed": "Rotational speed [rpm]",
        "torque": "Torque [Nm]",
        "tool_wear": "Tool wear [min]",
    }
)
LABEL_COLUMN = "Machine failure"
# The label is the union of these modes: they may explain a miss and must never be an input.
MODE_COLUMNS = ("TWF", "HDF", "PWF", "OSF", "RNF")


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """Input columns of the model: one value a row, every array of shape [N].

    type: quality grade of the workpiece, `L`, `M` or `H`. air_temperature and
    process_temperature in K, rotational_speed in rpm, torque in N·m, tool_wear in min.
    """

    type: Texts
    air_temperature: Floats
    process_temperature: Floats
    rotational_speed: Floats
    torque: Floats
    tool_wear: Floats

    def input_feed(self) -> dict[str, Texts | Floats]:
        """Return the arrays keyed by the names of the ONNX graph's inputs."""
        return {"type": self.type} | {name: self.quantity(name) for name in QUANTITY_COLUMNS}

    def take(self, rows: Rows) -> Self:
        """Return the points at the row indices `rows`, in that order."""
        quantities = {name: self.quantity(name)[rows] for name in QUANTITY_COLUMNS}
        return type(self)(type=self.type[rows], **quantities)

    def quantity(self, name: str) -> Floats:
        """Return one measured quantity, [N], by its name in `QUANTITY_COLUMNS`."""
        values: Floats = getattr(self, name)
        return values


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled operating points in the file's order, which is chronological.

    failed: [N], the label. modes: [N] each, the failure modes by the file's abbreviation.
    sha256: digest of the compressed file.
    """

    points: OperatingPoints
    failed: Flags
    modes: Mapping[str, Flags]
    sha256: str


def load(directory: Path) -> Dataset:
    """Read `ai4i2020/ai4i2020.csv.gz` below `directory`.

    Raises TrainingDataMissing if the file is absent or lacks a column.
    """
    packed = read_training_set(directory, FILE, "AI4I 2020 (UCI 601, gzipped CSV)")
    # The file starts with a byte order mark, which would otherwise become part of a column name.
    lines = gzip.decompress(packed).decode("utf-8-sig").splitlines()
    return _parse_dataset(list(csv.DictReader(lines)), hashlib.sha256(packed).hexdigest())


def _parse_dataset(rows: Sequence[Mapping[str, str]], sha256: str) -> Dataset:
    """Build the data set from the rows of the CSV file."""
    _require_columns(rows[0] if rows else ())
    modes = {mode: _parse_flags(rows, mode) for mode in MODE_COLUMNS}
    return Dataset(
        _parse_points(rows), _parse_flags(rows, LABEL_COLUMN), MappingProxyType(modes), sha256
    )


def _require_columns(present: Iterable[str]) -> None:
    """Raise TrainingDataMissing if a required column is absent."""
    required = {TYPE_COLUMN, LABEL_COLUMN, *QUANTITY_COLUMNS.values(), *MODE_COLUMNS}
    if missing := sorted(required - set(present)):
        raise TrainingDataMissing(f"{FILE} does not have the columns {', '.join(missing)}.")


def _parse_points(rows: Sequence[Mapping[str, str]]) -> OperatingPoints:
    """Parse the operating points of CSV rows."""
    quantities = {
        name: np.array([row[column] for row in rows], dtype=np.float32)
        for name, column in QUANTITY_COLUMNS.items()
    }
    return OperatingPoints(type=np.array([row[TYPE_COLUMN] for row in rows]), **quantities)


def _parse_flags(rows: Sequence[Mapping[str, str]], column: str) -> Flags:
    """Return a 0/1 column as booleans, [N]."""
    return np.array([row[column] == "1" for row in rows])
