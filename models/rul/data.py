"""Load the NASA C-MAPSS turbofan run-to-failure data as arrays."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing

Floats = NDArray[np.float32]

FOLDER = Path("cmapss")
# File column by sensor name; unit, cycle and three settings come first. T2, P2, epr, farB, Nf_dmd
# and PCNfR_dmd are left out: they are constant in every fleet at sea level.
SENSORS: Mapping[str, int] = MappingProxyType(
    {
        "T24": 6,
        "T30": 7,
        "T50": 8,
        "P15": 10,
        "P30": 11,
        "Nf": 12,
        "Nc": 13,
        "Ps30": 15,
        "phi": 16,
        "NRf": 17,
        "NRc": 18,
        "BPR": 19,
        "htBleed": 21,
        "W31": 24,
        "W32": 25,
    }
)
_COLUMN_COUNT = 26
# Maximum remaining life in cycles: a new machine shows no degradation yet, so higher values are
# clipped in training and evaluation, as in most of the literature (piecewise linear target).
CAP = 125


@dataclass(frozen=True, slots=True)
class Engine:
    """The history of one machine from its first cycle.

    readings: [cycles, sensors], in the order of SENSORS. final_remaining: remaining life in cycles
    after the last reading.
    """

    readings: Floats
    final_remaining: int

    @property
    def remaining(self) -> Floats:
        """Remaining life at each cycle, capped at CAP, [cycles]."""
        cycles = np.arange(len(self.readings))[::-1] + self.final_remaining
        return np.asarray(np.minimum(cycles, CAP), dtype=np.float32)


Fleet = tuple[Engine, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Engines that ran to failure (`training`) and engines truncated before it (`test`).

    sha256: digest of each file by name.
    """

    training: Fleet
    test: Fleet
    sha256: Mapping[str, str]


def load(directory: Path, fleet: str = "FD001") -> Dataset:
    """Read `train_…`, `test_…` and `RUL_…` of a fleet below `directory/cmapss`.

    Raises TrainingDataMissing if a file is missing or invalid.
    """
    names = (f"train_{fleet}.txt.gz", f"test_{fleet}.txt.gz", f"RUL_{fleet}.txt")
    contents = {name: _read_file(directory / FOLDER / name) for name in names}
    training, test = (_parse_histories(name, contents[name]) for name in names[:2])
    final_remaining = [int(line) for line in contents[names[2]].split()]
    if len(final_remaining) != len(test):
        raise TrainingDataMissing(
            f"{names[2]} is for {len(final_remaining)} engines, not {len(test)}."
        )
    return Dataset(
        tuple(Engine(readings, 0) for readings in training),
        tuple(
            Engine(readings, cycles) for readings, cycles in zip(test, final_remaining, strict=True)
        ),
        MappingProxyType(
            {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        ),
    )


def _read_file(path: Path) -> bytes:
    """Read and decompress a file. Raises TrainingDataMissing if it is missing."""
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put the NASA C-MAPSS files there, or give the folder that contains "
            f"{FOLDER} with --data or {DIRECTORY_VARIABLE}."
        )
    compressed = path.read_bytes()
    return gzip.decompress(compressed) if path.suffix == ".gz" else compressed


def _parse_histories(name: str, content: bytes) -> Sequence[Floats]:
    """Parse a file of histories and split it by engine, [cycles, sensors] each."""
    table = np.array([line.split() for line in content.splitlines()], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != _COLUMN_COUNT:
        raise TrainingDataMissing(f"{name} must have {_COLUMN_COUNT} columns.")
    sensors = table[:, list(SENSORS.values())].astype(np.float32)
    starts = np.flatnonzero(np.diff(table[:, 0], prepend=-1))
    return np.split(sensors, starts[1:])
