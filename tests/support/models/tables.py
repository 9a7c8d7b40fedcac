"""Tables of made-up machines, as CSV."""

import numpy as np

from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from models.tabular.data import Goal, TabularData, build_data


def csv(columns: dict[str, list[object]]) -> bytes:
    """A CSV file of columns."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def data_of(columns: dict[str, list[object]], goal: Goal, **stated: object) -> TabularData:
    """The training rows of columns."""
    schema = infer_schema(read_table(csv(columns)), SchemaRequest(**stated))  # type: ignore[arg-type]
    return build_data(schema, goal)


def machines(
    count: int = 8, rows: int = 40, *, noise: float = 0.3, seed: int = 1
) -> dict[str, list[object]]:
    """Readings of machines: `failure` and `wear` depend on temperature, torque and grade."""
    generator = np.random.default_rng(seed)
    total = count * rows
    temperature = generator.normal(80, 5, total)
    torque = generator.normal(40, 8, total)
    grade = generator.choice(["A", "B", "C"], total)
    load = (temperature - 80) / 5 + (torque - 40) / 8 + 1.5 * (grade == "C")
    wear = 10 + 2 * load + generator.normal(0, noise, total)
    return {
        "machine": [f"M{number // rows}" for number in range(total)],
        "temperature [°C]": [round(value, 2) for value in temperature],
        "torque": [round(value, 2) for value in torque],
        "grade": list(grade),
        "noise": [round(value, 3) for value in generator.normal(0, 1, total)],
        "wear": [round(value, 3) for value in wear],
        "failure": ["yes" if value > 1 else "no" for value in load],
    }
