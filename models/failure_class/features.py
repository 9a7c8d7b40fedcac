"""Compute the features that LightGBM learns from, in numpy.

export.py repeats the same arithmetic, in the same single precision and order of operations, as an
ONNX graph: change both together. Training refuses to write an artefact if the two differ.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from models.failure_class.data import Floats, OperatingPoints, Texts

# The quality grades rise from low to high, so their order means something to a split.
GRADES: Mapping[str, float] = MappingProxyType({"L": 0.0, "M": 1.0, "H": 2.0})
RADIANS_PER_SECOND_PER_RPM = np.float32(2 * np.pi / 60)
# The sensors resolve 0.1 K. Single-precision results carry noise in their last digit, and a split
# must not depend on it: the difference is rounded to 0.1 K, power and strain to whole units.
# Without rounding, two rows of equal power became adjacent floats, a split between them had no
# single-precision threshold, and the artefact differed from the trees.
STEPS_PER_KELVIN = np.float32(10)

# LightGBM's monotone constraints, from physics: a smaller temperature difference dissipates less
# heat, and more wear under more torque strains the tool more. The other features are unconstrained.
MONOTONE_CONSTRAINTS: Mapping[str, int] = MappingProxyType(
    {
        "grade": 0,
        "rotational_speed": 0,
        "torque": 0,
        "tool_wear": 0,
        "temperature_difference": -1,
        "power": 0,
        "strain": 1,
    }
)


def compute_features(points: OperatingPoints) -> Floats:
    """Return the features of N operating points, [N, 7], ordered as `MONOTONE_CONSTRAINTS`.

    grade 0 to 2 (NaN if the type is unknown), rotational_speed in rpm, torque in N·m,
    tool_wear in min, temperature_difference (process minus air) in K, power in W,
    strain (wear times torque) in min·N·m. The temperatures themselves are left out: the data
    covers 9 K of one season, and a colder hall must not look like a failure.
    """
    difference = points.process_temperature - points.air_temperature
    columns = (
        _encode_grades(points.type),
        points.rotational_speed,
        points.torque,
        points.tool_wear,
        np.round(difference * STEPS_PER_KELVIN) / STEPS_PER_KELVIN,
        np.round(points.torque * points.rotational_speed * RADIANS_PER_SECOND_PER_RPM),
        np.round(points.tool_wear * points.torque),
    )
    return np.stack(columns, axis=1)


def _encode_grades(types: Texts) -> Floats:
    """Encode quality grades as 0, 1 and 2; NaN for an unknown grade."""
    return np.array([GRADES.get(grade, np.nan) for grade in types.tolist()], dtype=np.float32)
