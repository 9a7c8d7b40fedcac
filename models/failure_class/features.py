"""The features, in numpy: what LightGBM learns from.

Owns the names, the order and the arithmetic of the features. export.py builds the same
arithmetic, in the same single precision and order of operations, as an ONNX graph: a change here
is a change there, and training refuses to write an artefact where the two differ.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from models.failure_class.data import Floats, OperatingPoints, Texts

# The quality grades rise from low to high, so their order means something to a split.
GRADES: Mapping[str, float] = MappingProxyType({"L": 0.0, "M": 1.0, "H": 2.0})
RADIANS_PER_SECOND_PER_RPM = np.float32(2 * np.pi / 60)
# The sensors resolve 0.1 K. What is computed from readings in single precision carries noise in its
# last digit, and a split must not hang on that: the difference is rounded to 0.1 K, power and
# strain to their units. Without it two rows of equal power came to adjacent floats, a split
# between them had no single-precision threshold, and the artefact differed from the trees.
STEPS_PER_KELVIN = np.float32(10)

# The sign of what is known from physics: less heat is carried off where process and air are close
# together, and more wear under more torque strains the tool more. The others go both ways.
DIRECTIONS: Mapping[str, int] = MappingProxyType(
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


def engineer(points: OperatingPoints) -> Floats:
    """The features of N operating points, [N, 7], in the order of `DIRECTIONS`.

    grade 0 to 2 (NaN where the type is unknown), rotational_speed in rpm, torque in N·m,
    tool_wear in min, temperature_difference (process less air) in K, power in W,
    strain (wear times torque) in min·N·m. The temperatures themselves are left out: the data
    has seen 9 K of one season, and a hall that is colder must not look like a failure.
    """
    difference = points.process_temperature - points.air_temperature
    columns = (
        _grades(points.type),
        points.rotational_speed,
        points.torque,
        points.tool_wear,
        np.round(difference * STEPS_PER_KELVIN) / STEPS_PER_KELVIN,
        np.round(points.torque * points.rotational_speed * RADIANS_PER_SECOND_PER_RPM),
        np.round(points.tool_wear * points.torque),
    )
    return np.stack(columns, axis=1)


def _grades(types: Texts) -> Floats:
    return np.array([GRADES.get(grade, np.nan) for grade in types.tolist()], dtype=np.float32)
