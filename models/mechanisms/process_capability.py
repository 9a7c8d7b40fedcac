"""Process capability (Cp, Cpk) and performance (Pp, Ppk): ISO 22514-2:2017, normal distribution."""

from typing import TYPE_CHECKING

import numpy as np

from infra.lazy_import import LazyModule
from models.mechanisms.mechanism import (
    Booleans,
    Floats,
    Mechanism,
    Relation,
    quantity,
    result,
    series,
)
from models.signature import Columns

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

# A deviation below this share of the largest absolute value is rounding noise.
ROUNDING_SHARE = 1e-12


class ProcessCapability(Mechanism):
    """Cp and Cpk by the deviation within subgroups, Pp and Ppk by the overall deviation."""

    standard = "ISO 22514-2:2017"
    version = "1"
    inputs = (
        series("measurements", "One characteristic, in order, by subgroup", -1e9, 1e9, (10, 1000)),
        quantity("subgroup_size", "1", "Values in a subgroup, which fill them all", 2.0, 50.0),
        quantity("lower_limit", None, "Lower specification limit, as the values", -1e9, 1e9),
        quantity("upper_limit", None, "Upper specification limit, as the values", -1e9, 1e9),
        quantity("confidence", "%", "Of the two-sided interval, usually 95", 50.0, 99.9),
    )
    outputs = (
        result("cpk", "1", "The nearer limit over three deviations within"),
        result("cpk_lower", "1", "Lower end of the confidence interval of Cpk"),
        result("cpk_upper", "1", "Upper end of the confidence interval of Cpk"),
        result("cp", "1", "Tolerance over six deviations within"),
        result("ppk", "1", "The nearer limit over three deviations in total"),
        result("pp", "1", "Tolerance over six deviations in total"),
        result("mean", None, "Of all measurements"),
        result("deviation_within", None, "Standard deviation within subgroups, pooled"),
        result("deviation_total", None, "Standard deviation of all measurements"),
    )
    relations = (
        Relation(
            "upper_limit",
            lambda row: row["upper_limit"] <= row["lower_limit"],
            "is not above the lower limit",
        ),
        Relation(
            "subgroup_size",
            lambda row: row["measurements"].shape[1] % row["subgroup_size"] != 0,
            "does not divide the measurements into whole subgroups",
        ),
        Relation(
            "measurements",
            lambda row: _is_constant(row),
            "do not vary within their subgroups",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute mean, deviations, Cp, Cpk with its interval, Pp and Ppk, [rows] each."""
        values = columns["measurements"]
        mean, overall = values.mean(axis=1), values.std(axis=1, ddof=1)
        within, degrees_of_freedom = _pooled_deviation(values, columns["subgroup_size"])
        lower, upper = columns["lower_limit"], columns["upper_limit"]
        nearest_limit_distance = np.minimum(upper - mean, mean - lower)
        cpk = nearest_limit_distance / (3 * within)
        margin = cpk_margin(cpk, values.shape[1], degrees_of_freedom, columns["confidence"])
        return {
            "cpk": cpk,
            "cpk_lower": cpk - margin,
            "cpk_upper": cpk + margin,
            "cp": (upper - lower) / (6 * within),
            "ppk": nearest_limit_distance / (3 * overall),
            "pp": (upper - lower) / (6 * overall),
            "mean": mean,
            "deviation_within": within,
            "deviation_total": overall,
        }


def cpk_margin(cpk: Floats, count: int, degrees_of_freedom: Floats, confidence: Floats) -> Floats:
    """Return half the width of Cpk's confidence interval, after Bissell (1990), for large samples.

    The first term is the uncertainty of the mean, the second that of the deviation within
    subgroups.
    """
    error = np.sqrt(1 / (9 * count) + cpk**2 / (2 * degrees_of_freedom))
    return np.asarray(stats.norm.ppf(0.5 + confidence / 200) * error)


def _pooled_deviation(values: Floats, subgroup_sizes: Floats) -> tuple[Floats, Floats]:
    """Return the pooled within-subgroup deviation and its degrees of freedom, [rows] each."""
    within = np.empty(len(values))
    for size in np.unique(subgroup_sizes):
        rows = subgroup_sizes == size
        groups = values[rows].reshape(rows.sum(), -1, int(size))
        within[rows] = np.sqrt(groups.var(axis=2, ddof=1).mean(axis=1))
    return within, values.shape[1] * (1 - 1 / subgroup_sizes)


def _is_constant(columns: Columns) -> Booleans:
    """Return which rows do not vary within their subgroups, up to rounding."""
    values = columns["measurements"]
    within, _ = _pooled_deviation(values, columns["subgroup_size"])
    return np.asarray(within <= ROUNDING_SHARE * np.abs(values).max(axis=1))
