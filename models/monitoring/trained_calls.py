"""Train a monitor as a customer does, and call its artefact for each row of a course."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.monitoring.adapt import MonitorAdapter
from models.monitoring.components import Floats
from models.monitoring.variant import MonitorVariant, load
from models.tables.schema import SchemaRequest


def train_variant(courses: Sequence[Floats], rate: float, window: int | None) -> MonitorVariant:
    """Train on courses of normal operation, each [rows, columns]; several are of a machine each."""
    machine = "machine" if len(courses) > 1 else ""
    schema = SchemaRequest(
        machine=machine, time="step", target="", window=window, false_alarms=rate
    )
    return load(MonitorAdapter(schema)(training_file(courses), lambda sentence: None).artefact)


def training_file(courses: Sequence[Floats]) -> bytes:
    """Return courses as CSV, with the columns `machine` if there are several, and `step`."""
    columns = [f"c{at}" for at in range(courses[0].shape[1])]
    with_machine = len(courses) > 1
    lines = [",".join([*(["machine"] if with_machine else []), "step", *columns])]
    for number, course in enumerate(courses):
        for step, row in enumerate(course):
            place = [f"M{number}"] if with_machine else []
            lines.append(",".join([*place, str(step), *(f"{value:.7g}" for value in row)]))
    return "\n".join([*lines, ""]).encode()


def call_rows(
    variant: MonitorVariant, course: Floats, start: int = 0, output: str = "is_anomaly"
) -> NDArray[np.generic]:
    """Return an output at each row from `start` on, called with the rows up to it."""
    span = variant.document.scales[-1]
    inputs = variant.document.inputs.numbers
    at = [int(one.name[1:]) for one in inputs]
    found: list[NDArray[np.generic]] = []
    for steps in range(1, span + 1):
        ends = np.arange(start, len(course))
        ends = ends[np.minimum(ends + 1, span) == steps]
        if len(ends):
            rows = course[ends[:, np.newaxis] - np.arange(steps - 1, -1, -1)]
            columns = {
                one.name: rows[:, :, of].astype(np.float32)
                for one, of in zip(inputs, at, strict=True)
            }
            found.append(variant.run(columns)[output])
    return np.concatenate(found)
