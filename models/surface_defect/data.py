"""NEU: pictures of hot-rolled steel strip, for measuring only.

Owns where the files are looked for, and which pictures the published figures are about. The
licence is for research and education: nothing fitted on them may be shipped.
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
# Layers and settings were chosen on pictures numbered up to this; they number to 300 a class.
LAST_CHOSEN_ON = 150


@dataclass(frozen=True, slots=True)
class Dataset:
    """grey: [pictures, 64, 64]. truth: [pictures], places in LABELS. number: [pictures], within its
    class; neighbours may show one strip. sha256: of the files."""

    grey: NDArray[np.uint8]
    truth: Classes
    number: NDArray[np.int64]
    sha256: Mapping[str, str]

    @property
    def kept_apart(self) -> NDArray[np.bool_]:
        """[pictures]: nothing was chosen on these."""
        return np.asarray(self.number > LAST_CHOSEN_ON)

    def only(self, kept: NDArray[np.bool_]) -> "Dataset":
        """Those of the pictures, [pictures]."""
        return replace(self, grey=self.grey[kept], truth=self.truth[kept], number=self.number[kept])


def load(directory: Path) -> Dataset:
    """Read both files below `directory/neu_cls`. Raises TrainingDataMissing."""
    contents = {name: _read(directory / FOLDER / name) for name in FILES}
    parts = [_arrays(directory / FOLDER / name) for name in FILES]
    grey, truth, number = (np.concatenate([part[key] for part in parts]) for key in "xyi")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return Dataset(grey, truth.astype(np.intp), number, MappingProxyType(digests))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise TrainingDataMissing(
            f"{path} is absent. Put the NEU pictures there, or name the folder that holds {FOLDER} "
            f"with --data or {DIRECTORY_VARIABLE}."
        )
    return path.read_bytes()


def _arrays(path: Path) -> Mapping[str, NDArray[np.generic]]:
    with np.load(path, allow_pickle=False) as archive:
        if not {"x", "y", "i"} <= set(archive.files):
            raise TrainingDataMissing(f"{path.name} holds no pictures with class and number.")
        return {key: archive[key] for key in "xyi"}
