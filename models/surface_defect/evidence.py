"""Where in a picture the evidence for a label is: a heat map and the box of its strongest region.

The features are means and standard deviations of maps over the picture, and a label's log-odds are
linear in the features, so they are a mean over places: each place is shown with its own part.
Nothing is occluded and no gradient is computed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.surface_defect.backbone import Examined
from models.surface_defect.discriminant import FloatArray
from models.surface_defect.head import Head

# Cells of a heat map in each direction. Maps of the backbone have 20, 10 and 5 for a square.
GRID = 10
# Share of the strongest cell's value from which its neighbours belong to the same region.
_REGION_SHARE = 0.5
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for a label, by place.

    heatmap: [GRID, GRID], rows from the top, columns from the left. The mean of all cells is how
    much the picture speaks for the label against the mean of the others, as log-odds; negative
    cells speak against it. box: left, top, right and bottom of the strongest region, [4], as shares
    of the picture's width and height.
    """

    heatmap: FloatArray
    box: FloatArray


def find_evidence(head: Head, examined: Examined, label: int) -> Evidence:
    """Return where in a picture the evidence for the label, an index of `head.labels`, is."""
    weights, offset = _log_odds_weights(head, label)
    heatmap = np.full((GRID, GRID), offset)
    start = 0
    for one in examined.maps:
        stop = start + 2 * len(one)
        heatmap += _map_evidence(one.astype(np.float64), weights[start:stop])
        start = stop
    return Evidence(heatmap, _strongest_box(heatmap))


def _log_odds_weights(head: Head, label: int) -> tuple[FloatArray, float]:
    """Return weights [features] and offset of the label's log-odds against the others' mean.

    From the squared distances to the centres, whose quadratic parts cancel.
    """
    fitted = head.discriminant
    others = np.delete(fitted.centres, label, axis=0)
    axis = (fitted.centres[label] - others.mean(axis=0)) / head.temperature
    weights = fitted.projection @ axis / fitted.scale
    norms = np.sum(others**2, axis=1).mean() - np.sum(fitted.centres[label] ** 2)
    return weights, float(norms / (2 * head.temperature) - weights @ fitted.mean)


def _map_evidence(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the evidence of a map [channels, height, width] on the grid, [GRID, GRID].

    weights: those of the channels' means, then of their deviations, [2 · channels]. A place's part
    of a deviation is its squared difference from the mean, divided by the deviation: the mean of
    the parts is the deviation.
    """
    of_means, of_deviations = np.split(weights, 2)
    differences = values - values.mean(axis=(1, 2), keepdims=True)
    deviations = values.std(axis=(1, 2))
    relative = of_deviations / np.maximum(deviations, _TINY)
    places = np.tensordot(of_means, values, 1) + np.tensordot(relative, differences**2, 1)
    rows, columns = places.shape
    return _averaging(rows) @ places @ _averaging(columns).T


def _averaging(length: int) -> FloatArray:
    """Return weights [GRID, length] that average a row of cells over the cells of the grid.

    By overlap, so that the mean over all cells is the same before and after.
    """
    edges = np.arange(length + 1) / length
    bounds = np.arange(GRID + 1) / GRID
    low = np.maximum(bounds[:-1, np.newaxis], edges[:-1])
    high = np.minimum(bounds[1:, np.newaxis], edges[1:])
    return np.asarray(np.maximum(high - low, 0) * GRID)


def _strongest_box(heatmap: FloatArray) -> FloatArray:
    """Return the box of the cells around the strongest one with at least half its value, [4]."""
    strongest = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    strong: NDArray[np.bool_] = heatmap >= _REGION_SHARE * heatmap[strongest]
    strong[strongest] = True  # also where no cell speaks for the label
    regions, _ = ndimage.label(strong)
    rows, columns = np.nonzero(regions == regions[strongest])
    corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return np.array(corners, dtype=np.float64) / GRID
