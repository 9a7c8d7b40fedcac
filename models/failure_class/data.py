"""The AI4I 2020 milling data as arrays.

Owns where the file is looked for and which of its columns are inputs, which is the label and which
only explain a label.
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

from models.training_data import TrainingDataMissing, content

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
# The label is the union of these: they may explain a miss, and must never be an input.
MODE_COLUMNS = ("TWF", "HDF", "PWF", "OSF", "RNF")


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """What the model is asked about: one value a row, every array of shape [N].

    type: quality grade of the workpiece, `L`, `M` or `H`. air_temperature and
    process_temperature in K, rotational_speed in rpm, torque in N·m, tool_wear in min.
    """

    type: Texts
    air_temperature: Floats
    process_temperature: Floats
    rotational_speed: Floats
    torque: Floats
    tool_wear: Floats

    def feed(self) -> dict[str, Texts | Floats]:
        """The same arrays under the names of the ONNX graph's inputs."""
        return {"type": self.type} | {name: self.quantity(name) for name in QUANTITY_COLUMNS}

    def take(self, rows: Rows) -> Self:
        """Some of the points, in the order of `rows`."""
        quantities = {name: self.quantity(name)[rows] for name in QUANTITY_COLUMNS}
        return type(self)(type=self.type[rows], **quantities)

    def quantity(self, name: str) -> Floats:
        """One measured quantity, [N], by its name in `QUANTITY_COLUMNS`."""
        values: Floats = getattr(self, name)
        return values


@dataclass(frozen=True, slots=True)
class Dataset:
    """Operating points in the file's order, which is the order in time.

    failed: [N], the label. modes: [N] each, why a row failed, by the file's abbreviation.
    sha256: of the compressed file.
    """

    points: OperatingPoints
    failed: Flags
    modes: Mapping[str, Flags]
    sha256: str


def load(directory: Path) -> Dataset:
    """Read `ai4i2020/ai4i2020.csv.gz` below `directory`.

    Raises TrainingDataMissing where the file is absent or lacks a column.
    """
    packed = content(directory, FILE, "AI4I 2020 (UCI 601, gzipped CSV)")
    # The file starts with a byte order mark, which would otherwise become part of a column name.
    lines = gzip.decompress(packed).decode("utf-8-sig").splitlines()
    return _dataset(list(csv.DictReader(lines)), hashlib.sha256(packed).hexdigest())


def _dataset(rows: Sequence[Mapping[str, str]], sha256: str) -> Dataset:
    _require_columns(rows[0] if rows else ())
    modes = {mode: _flags(rows, mode) for mode in MODE_COLUMNS}
    return Dataset(_points(rows), _flags(rows, LABEL_COLUMN), MappingProxyType(modes), sha256)


def _require_columns(present: Iterable[str]) -> None:
    wanted = {TYPE_COLUMN, LABEL_COLUMN, *QUANTITY_COLUMNS.values(), *MODE_COLUMNS}
    if missing := sorted(wanted - set(present)):
        raise TrainingDataMissing(f"{FILE} lacks the columns {', '.join(missing)}.")


def _points(rows: Sequence[Mapping[str, str]]) -> OperatingPoints:
    quantities = {
        name: np.array([row[column] for row in rows], dtype=np.float32)
        for name, column in QUANTITY_COLUMNS.items()
    }
    return OperatingPoints(type=np.array([row[TYPE_COLUMN] for row in rows]), **quantities)


def _flags(rows: Sequence[Mapping[str, str]], column: str) -> Flags:
    return np.array([row[column] == "1" for row in rows])
