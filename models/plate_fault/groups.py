"""Which measures are one reason together, and what Shapley's formula weighs their mixtures by.

Measures of a group follow each other: the logarithm of an area moves with the area. One of them
alone, exchanged for a usual one, would make a plate that cannot be.
"""

from collections.abc import Mapping
from math import factorial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.plate_fault.data import MEASURES

Marks = NDArray[np.bool_]

# By rank correlation in the data (.9 and more with another of the group, or of one kind): the grey
# values' sum is .99 an area, the edges' index is the distance from the nearer edge.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "position": ("X_Minimum", "X_Maximum", "Y_Minimum", "Y_Maximum", "Edges_Index"),
        "size": (
            *("Pixels_Areas", "X_Perimeter", "Y_Perimeter", "Sum_of_Luminosity"),
            *("Outside_X_Index", "LogOfAreas", "Log_X_Index", "Log_Y_Index", "SigmoidOfAreas"),
        ),
        "brightness": ("Minimum_of_Luminosity", "Maximum_of_Luminosity", "Luminosity_Index"),
        "shape": (
            *("Empty_Index", "Square_Index", "Edges_X_Index", "Edges_Y_Index"),
            *("Outside_Global_Index", "Orientation_Index"),
        ),
        "plate": (
            *("Length_of_Conveyer", "TypeOfSteel_A300", "TypeOfSteel_A400"),
            "Steel_Plate_Thickness",
        ),
    }
)


def mixtures() -> Marks:
    """Which measures are the plate's own in each mixture, [2 ** GROUPS, MEASURES]: none in the
    first, all in the last."""
    group_of = {name: at for at, names in enumerate(GROUPS.values()) for name in names}
    return np.asarray(taken()[:, [group_of[name] for name in MEASURES]])


def taken() -> Marks:
    """Which groups are the plate's own in each mixture, [2 ** GROUPS, GROUPS]."""
    numbers = np.arange(2 ** len(GROUPS))
    return np.asarray(numbers[:, np.newaxis] >> np.arange(len(GROUPS)) & 1, dtype=np.bool_)


def shapley_weights() -> NDArray[np.float64]:
    """By what the value of each mixture is multiplied for a group's contribution, [2 ** GROUPS,
    GROUPS] (Shapley 1953): the group's step, averaged over all orders of taking groups over."""
    own, count = taken(), len(GROUPS)
    orders = np.array([factorial(at) * factorial(count - 1 - at) for at in range(count)])
    others = own.sum(axis=1)[:, np.newaxis] - own
    return np.asarray(np.where(own, 1, -1) * orders[others] / factorial(count))
