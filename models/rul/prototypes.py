"""What the base passes on to fleets with few machines: prototypes of its own training rows.

A variant that learns from a handful of machines alone knows too little, and one that only corrects
the base knows too little that is new; learning from both together is best. The base's rows are not
shipped, so a few thousand means of rows that are alike stand for them.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from models.rul.data import CAP, Engine, Floats
from models.rul.features import NAMES, Scaling, learnable

ARTEFACT = Path(__file__).with_name("prototypes.npz")
COUNT = 2000
VERSION = 1
# Rows are alike when the life left is, too: so many cycles weigh as much as a sensor's spread.
_CYCLES = 20.0
_SEED = 2008


class PrototypesBroken(ValueError):
    """The file holds no prototypes of this version."""


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Mean features [N, features] in their fleet's spreads, mean life left [N], and how many rows
    each stands for [N]."""

    features: Floats
    remaining: Floats
    rows: Floats


def prototypes(fleet: Sequence[Engine], scaling: Scaling, count: int = COUNT) -> Prototypes:
    """Of a fleet's rows; same fleet, same prototypes."""
    features, truth = learnable(fleet, scaling)
    rows = np.hstack([features, truth[:, np.newaxis] / _CYCLES])
    clusters = MiniBatchKMeans(
        min(count, len(rows)), random_state=_SEED, n_init=1, batch_size=4096, max_iter=30
    ).fit(rows)
    sizes = np.bincount(clusters.labels_, minlength=len(clusters.cluster_centers_))
    centres = clusters.cluster_centers_[sizes > 0].astype(np.float32)
    remaining = np.clip(centres[:, -1] * _CYCLES, 0, CAP)
    return Prototypes(centres[:, :-1], remaining, sizes[sizes > 0].astype(np.float32))


def render(of: Prototypes) -> bytes:
    """The artefact. Three digits are enough for the mean of rows that differ more than that."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        version=np.array(VERSION),
        features=of.features.astype(np.float16),
        remaining=of.remaining.astype(np.float16),
        rows=of.rows,
    )
    return file.getvalue()


def read(artefact: bytes) -> Prototypes:
    """What `render` wrote. Raises PrototypesBroken."""
    try:
        with np.load(io.BytesIO(artefact), allow_pickle=False) as file:
            if int(file["version"]) != VERSION:
                raise ValueError("another version")
            parts = [file[name].astype(np.float32) for name in ("features", "remaining", "rows")]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PrototypesBroken(f"These are no prototypes of version {VERSION}.") from error
    features, remaining, rows = parts
    if features.shape != (len(rows), len(NAMES)) or remaining.shape != rows.shape:
        raise PrototypesBroken("The prototypes have another form.")
    return Prototypes(features, remaining, rows)
