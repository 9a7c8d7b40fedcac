"""Which rows belong together: those of a machine, else blocks of time, else each row by itself."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from models.observed.metrics import Floats, Indices

# As in the acceptance test (models/tabular/splits.py).
MIN_MACHINES = 3
_BLOCKS = 50


class ClusterKind(StrEnum):
    """What the uncertainty of a score is that of."""

    MACHINE = "machine"
    TIME = "time"
    ROW = "row"


def plan_clusters(
    machines: Sequence[str] | None, times: Floats | None, rows: int
) -> tuple[ClusterKind, Indices]:
    """Return the kind of the clusters, and the cluster of each row, [rows].

    machines: by row, None if they are not known. times: seconds by row, NaN where unknown.
    """
    if machines is not None:
        _, codes = np.unique(np.array(machines, dtype=object).astype(str), return_inverse=True)
        if codes.size and int(codes.max()) + 1 >= MIN_MACHINES:
            return ClusterKind.MACHINE, codes.astype(np.intp)
    if times is not None and np.isfinite(times).all():
        order, clusters = np.argsort(times, kind="stable"), np.empty(rows, dtype=np.intp)
        for number, block in enumerate(np.array_split(order, min(rows, _BLOCKS))):
            clusters[block] = number
        return ClusterKind.TIME, clusters
    return ClusterKind.ROW, np.arange(rows, dtype=np.intp)
