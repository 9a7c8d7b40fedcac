"""Made-up rows of a process in which columns depend on each other, with faults."""

import numpy as np

COLUMNS = ("flow [m3/h]", "power [kW]", "pressure", "heat", "level")


def process(
    rows: int = 600, *, seed: int = 1, machines: int = 1, fault_rows: int = 0, label: bool = False
) -> dict[str, list[object]]:
    """Rows of machines. Power, pressure and heat follow the flow; `level` is by itself.

    In the last `fault_rows` of each machine, the power is higher than the flow explains. `label`
    adds the column `state`.
    """
    generator = np.random.default_rng(seed)
    names = ("machine", "step", *COLUMNS, "grade", *(["state"] if label else []))
    table: dict[str, list[object]] = {name: [] for name in names}
    for machine in range(machines):
        flow = _walk(generator, rows)
        fault = np.arange(rows) >= rows - fault_rows
        noise = generator.normal(0, 0.2, (4, rows))
        values = (
            50 + 5 * flow,
            20 + 2 * (flow + noise[0]) + 2.0 * fault,
            8 - flow + noise[1],
            70 + 3 * (flow + noise[2]),
            1 + noise[3],
        )
        table["machine"] += [f"M{machine}"] * rows
        table["step"] += list(range(rows))
        for name, column in zip(COLUMNS, values, strict=True):
            table[name] += [round(float(value), 4) for value in column]
        table["grade"] += ["A" if value > 0 else "B" for value in generator.normal(0, 1, rows)]
        if label:
            table["state"] += ["leak" if flag else "normal" for flag in fault]
    return table


def last_rows(table: dict[str, list[object]], steps: int) -> dict[str, list[object]]:
    """The inputs of a call with the last steps."""
    return {name: table[name][-steps:] for name in (*COLUMNS, "grade")}


def _walk(generator: np.random.Generator, rows: int) -> np.ndarray:
    """A course with a standard deviation of about 1 that forgets within some ten steps."""
    steps = generator.normal(0, 0.43, rows)
    course = np.zeros(rows)
    for at in range(1, rows):
        course[at] = 0.9 * course[at - 1] + steps[at]
    return course
