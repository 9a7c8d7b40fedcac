"""The C-MAPSS turbofan data as arrays.

Owns where the files are looked for, which of their columns are sensors that say something, and what
the truth is capped at.
"""

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
# Column of the file (unit, cycle and three settings come first) by the sensor's name. Those left
# out never change in any fleet at sea level: T2, P2, epr, farB, Nf_dmd, PCNfR_dmd.
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
_COLUMNS = 26
# A new machine shows nothing of its end, whatever it will be: beyond this many cycles the truth is
# taken as this many, in training and in judging alike, as most of the literature does.
CAP = 125


@dataclass(frozen=True, slots=True)
class Engine:
    """One machine from its first cycle on. `readings` is [cycles, sensors], in the order of
    SENSORS; `left` is how many cycles followed the last of them."""

    readings: Floats
    left: int

    @property
    def remaining(self) -> Floats:
        """The capped truth at each cycle, [cycles]."""
        cycles = np.arange(len(self.readings))[::-1] + self.left
        return np.asarray(np.minimum(cycles, CAP), dtype=np.float32)


Fleet = tuple[Engine, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """`training` ran to their failure, `test` were stopped before it. sha256: of the files."""

    training: Fleet
    test: Fleet
    sha256: Mapping[str, str]


def load(directory: Path, fleet: str = "FD001") -> Dataset:
    """Read `train_…`, `test_…` and `RUL_…` of a fleet below `directory/cmapss`.

    Raises TrainingDataMissing where a file is absent or is none of these.
    """
    names = (f"train_{fleet}.txt.gz", f"test_{fleet}.txt.gz", f"RUL_{fleet}.txt")
    contents = {name: _read(directory / FOLDER / name) for name in names}
    training, test = (_histories(name, contents[name]) for name in names[:2])
    left = [int(line) for line in contents[names[2]].split()]
    if len(left) != len(test):
        raise TrainingDataMissing(f"{names[2]} is for {len(left)} engines, not {len(test)}.")
    return Dataset(
        tuple(Engine(readings, 0) for readings in training),
        tuple(Engine(readings, cycles) for readings, cycles in zip(test, left, strict=True)),
        MappingProxyType(
            {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        ),
    )


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put the NASA C-MAPSS files there, or name the folder that holds "
            f"{FOLDER} with --data or {DIRECTORY_VARIABLE}."
        )
    packed = path.read_bytes()
    return gzip.decompress(packed) if path.suffix == ".gz" else packed


def _histories(name: str, content: bytes) -> Sequence[Floats]:
    table = np.array([line.split() for line in content.splitlines()], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != _COLUMNS:
        raise TrainingDataMissing(f"{name} has no {_COLUMNS} columns.")
    sensors = table[:, list(SENSORS.values())].astype(np.float32)
    starts = np.flatnonzero(np.diff(table[:, 0], prepend=-1))
    return np.split(sensors, starts[1:])
