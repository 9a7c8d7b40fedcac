"""Process capability and performance: ISO 22514-2:2017, for a normal distribution."""

from typing import TYPE_CHECKING

import numpy as np

from infra.lazy_import import LazyModule
from models.mechanisms.mechanism import (
    Floats,
    Mechanism,
    Relation,
    Truths,
    quantity,
    result,
    series,
)
from models.signature import Columns

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

# A scatter below this part of the values' own size is their rounding and no property of a process.
ROUNDING = 1e-12


class ProcessCapability(Mechanism):
    """Cp and Cpk by the scatter within subgroups, Pp and Ppk by that of all values together."""

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
        result("mean", None, "Of all measurements"),
        result("deviation_within", None, "Standard deviation within subgroups, pooled"),
        result("deviation_total", None, "Standard deviation of all measurements"),
        result("cp", "1", "Tolerance over six deviations within"),
        result("cpk", "1", "The nearer limit over three deviations within"),
        result("cpk_lower", "1", "Lower end of the confidence interval of Cpk"),
        result("cpk_upper", "1", "Upper end of the confidence interval of Cpk"),
        result("pp", "1", "Tolerance over six deviations in total"),
        result("ppk", "1", "The nearer limit over three deviations in total"),
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
            lambda row: _constant(row),
            "do not vary within their subgroups",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        values = columns["measurements"]
        mean, total = values.mean(axis=1), values.std(axis=1, ddof=1)
        within, freedom = _within(values, columns["subgroup_size"])
        lower, upper = columns["lower_limit"], columns["upper_limit"]
        nearer = np.minimum(upper - mean, mean - lower)
        cpk = nearer / (3 * within)
        margin = margin_of(cpk, values.shape[1], freedom, columns["confidence"])
        return {
            "mean": mean,
            "deviation_within": within,
            "deviation_total": total,
            "cp": (upper - lower) / (6 * within),
            "cpk": cpk,
            "cpk_lower": cpk - margin,
            "cpk_upper": cpk + margin,
            "pp": (upper - lower) / (6 * total),
            "ppk": nearer / (3 * total),
        }


def margin_of(cpk: Floats, count: int, freedom: Floats, confidence: Floats) -> Floats:
    """Half the width of the interval of Cpk, after Bissell (1990), which is that for large samples.

    The mean's uncertainty gives the first term, that of the deviation within the second.
    """
    error = np.sqrt(1 / (9 * count) + cpk**2 / (2 * freedom))
    return np.asarray(stats.norm.ppf(0.5 + confidence / 200) * error)


def _within(values: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Pooled standard deviation and its degrees of freedom, [rows] each."""
    within = np.empty(len(values))
    for size in np.unique(sizes):
        rows = sizes == size
        groups = values[rows].reshape(rows.sum(), -1, int(size))
        within[rows] = np.sqrt(groups.var(axis=2, ddof=1).mean(axis=1))
    return within, values.shape[1] * (1 - 1 / sizes)


def _constant(columns: Columns) -> Truths:
    values = columns["measurements"]
    within, _ = _within(values, columns["subgroup_size"])
    return np.asarray(within <= ROUNDING * np.abs(values).max(axis=1))
