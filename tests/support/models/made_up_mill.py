"""A synthetic milling machine: operating points and failures."""

import json
from typing import Any

import numpy as np

from models.failure_class.data import QUANTITY_COLUMNS, Flags, OperatingPoints
from models.failure_class.other_machines import FailureLimits

# It fails sooner than the base's machine in all that the base looks at.
WEAKER = FailureLimits(heat=9.2, slow=1450, min_power=4000, max_power=8000, strain=8500)


def operating_points(seed: int, count: int) -> OperatingPoints:
    """Operating points, rounded to 0.1 K, 1 rpm, 0.1 N·m and 1 min."""
    random = np.random.default_rng(seed)
    air = random.normal(300, 2, count).round(1)
    torque = np.clip(random.normal(40, 10, count), 4, 76).round(1)
    power = random.normal(6200, 1000, count)
    return OperatingPoints(
        random.choice(["L", "M", "H"], count, p=[0.6, 0.3, 0.1]),
        air.astype(np.float32),
        (air + random.normal(10, 1, count)).round(1).astype(np.float32),
        np.clip(power / torque * 60 / (2 * np.pi), 1150, 2900).round().astype(np.float32),
        torque.astype(np.float32),
        random.integers(0, 250, count).astype(np.float32),
    )


def labelled_lines(points: OperatingPoints, failed: Flags) -> list[dict[str, Any]]:
    """Lines of a training file, one per operating point."""
    quantities = {name: points.quantity(name).astype(float).round(1) for name in QUANTITY_COLUMNS}
    return [
        {"type": str(points.type[at])}
        | {name: float(values[at]) for name, values in quantities.items()}
        | {"failure": int(failed[at])}
        for at in range(len(failed))
    ]


def training_file(*lines: Any) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines)
