"""Cluster centres of the base model's training rows, on which variants are fitted too.

Fitting on a handful of a customer's machines and on the base's rows together is more accurate than
fitting on the machines alone or correcting the base's predictions. The base's rows are not shipped;
a few thousand k-means centres replace them.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from models.rul.data import CAP, Engine, Floats
from models.rul.features import NAMES, Scaling, training_rows

ARTEFACT = Path(__file__).with_name("prototypes.npz")
MAX_PROTOTYPES = 2000
VERSION = 1
# Remaining life is clustered with the features: this many cycles count like one standard deviation
# of a sensor.
_CYCLES_PER_DEVIATION = 20.0
_SEED = 2008


class PrototypesBroken(ValueError):
    """Raised if a file has no prototypes of this version."""


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Cluster centres of training rows.

    features: mean standardized features, [N, features]. remaining: mean remaining life, [N].
    rows: number of rows in each cluster, [N].
    """

    features: Floats
    remaining: Floats
    rows: Floats


def build_prototypes(
    fleet: Sequence[Engine], scaling: Scaling, count: int = MAX_PROTOTYPES
) -> Prototypes:
    """Cluster a fleet's training rows with k-means; deterministic for a fleet."""
    features, truth = training_rows(fleet, scaling)
    rows = np.hstack([features, truth[:, np.newaxis] / _CYCLES_PER_DEVIATION])
    clusters = MiniBatchKMeans(
        min(count, len(rows)), random_state=_SEED, n_init=1, batch_size=4096, max_iter=30
    ).fit(rows)
    sizes = np.bincount(clusters.labels_, minlength=len(clusters.cluster_centers_))
    centres = clusters.cluster_centers_[sizes > 0].astype(np.float32)
    remaining = np.clip(centres[:, -1] * _CYCLES_PER_DEVIATION, 0, CAP)
    return Prototypes(centres[:, :-1], remaining, sizes[sizes > 0].astype(np.float32))


def render(prototypes: Prototypes) -> bytes:
    """Render the artefact in half precision, which suffices for cluster means."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        version=np.array(VERSION),
        features=prototypes.features.astype(np.float16),
        remaining=prototypes.remaining.astype(np.float16),
        rows=prototypes.rows,
    )
    return file.getvalue()


def read(artefact: bytes) -> Prototypes:
    """Read an artefact rendered by `render`. Raises PrototypesBroken."""
    try:
        with np.load(io.BytesIO(artefact), allow_pickle=False) as file:
            if int(file["version"]) != VERSION:
                raise ValueError("another version")
            arrays = [file[name].astype(np.float32) for name in ("features", "remaining", "rows")]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PrototypesBroken(
            f"The file does not contain prototypes of version {VERSION}."
        ) from error
    features, remaining, rows = arrays
    if features.shape != (len(rows), len(NAMES)) or remaining.shape != rows.shape:
        raise PrototypesBroken("The prototypes have the wrong shape.")
    return Prototypes(features, remaining, rows)
