"""Load the NEU pictures of hot-rolled steel strip, for measuring only.

The licence is for research and education: nothing fitted on these pictures may be shipped.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.surface_defect.discriminant import Classes
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing

FOLDER = Path("neu_cls")
FILES = ("neu64_0.npz", "neu64_1.npz")
LABELS = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
# Layers and settings were tuned on pictures up to this number; each class has 300.
LAST_TUNING_NUMBER = 150


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled NEU pictures.

    grey: [pictures, 64, 64]. truth: [pictures], class indices in LABELS. number: [pictures], within
    the class; neighbouring numbers may show one strip. sha256: digests of the files.
    """

    grey: NDArray[np.uint8]
    truth: Classes
    number: NDArray[np.int64]
    sha256: Mapping[str, str]

    @property
    def test_mask(self) -> NDArray[np.bool_]:
        """Return the mask of the test pictures, on which nothing was tuned, [pictures]."""
        return np.asarray(self.number > LAST_TUNING_NUMBER)

    def select(self, mask: NDArray[np.bool_]) -> "Dataset":
        """Return the pictures selected by a mask, [pictures]."""
        return replace(self, grey=self.grey[mask], truth=self.truth[mask], number=self.number[mask])


def load(directory: Path) -> Dataset:
    """Read both files below `directory/neu_cls`. Raises TrainingDataMissing."""
    contents = {name: _read_file(directory / FOLDER / name) for name in FILES}
    parts = [_load_arrays(directory / FOLDER / name) for name in FILES]
    grey, truth, number = (np.concatenate([part[key] for part in parts]) for key in "xyi")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return Dataset(grey, truth.astype(np.intp), number, MappingProxyType(digests))


def _read_file(path: Path) -> bytes:
    """Return the file's bytes. Raises TrainingDataMissing."""
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put the NEU images there, or give the folder that contains "
            f"{FOLDER} with --data or {DIRECTORY_VARIABLE}."
        )
    return path.read_bytes()


def _load_arrays(path: Path) -> Mapping[str, NDArray[np.generic]]:
    """Return the arrays `x` (pictures), `y` (classes) and `i` (numbers) of a file."""
    with np.load(path, allow_pickle=False) as archive:
        if not {"x", "y", "i"} <= set(archive.files):
            raise TrainingDataMissing(f"{path.name} contains no pictures with class and number.")
        return {key: archive[key] for key in "xyi"}
