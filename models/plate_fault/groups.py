"""Group correlated measures for Shapley-value explanations, and compute the Shapley weights.

Measures of a group are correlated: the logarithm of an area follows the area. Replacing one of them
alone by its reference value would describe an impossible plate.
"""

from collections.abc import Mapping
from math import factorial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.plate_fault.data import MEASURES

Mask = NDArray[np.bool_]

# Grouped by rank correlation in the data (.9 or more with another member) or by kind: the sum of
# the grey values correlates .99 with the area; the edges' index is the distance from the nearer
# edge.
MEASURE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
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


def coalition_measures() -> Mask:
    """Return, per Shapley coalition, which measures are the plate's own, [2 ** groups, MEASURES].

    The other measures come from the reference plate: all in the first coalition, none in the last.
    """
    group_of = {
        name: index for index, names in enumerate(MEASURE_GROUPS.values()) for name in names
    }
    return np.asarray(coalitions()[:, [group_of[name] for name in MEASURES]])


def coalitions() -> Mask:
    """Return all coalitions of measure groups as a mask, [2 ** groups, groups]."""
    numbers = np.arange(2 ** len(MEASURE_GROUPS))
    return np.asarray(numbers[:, np.newaxis] >> np.arange(len(MEASURE_GROUPS)) & 1, dtype=np.bool_)


def shapley_weights() -> NDArray[np.float64]:
    """Return the matrix that maps coalition values to Shapley values, [2 ** groups, groups].

    A group's Shapley value (Shapley 1953) is its marginal contribution, averaged over all orders
    of adding the groups.
    """
    members, count = coalitions(), len(MEASURE_GROUPS)
    orders = np.array([factorial(size) * factorial(count - 1 - size) for size in range(count)])
    other_members = members.sum(axis=1)[:, np.newaxis] - members
    return np.asarray(np.where(members, 1, -1) * orders[other_members] / factorial(count))
