"""Histories of made-up machines that run to failure, in long format."""

import numpy as np


def histories(
    count: int = 6, *, seed: int = 3, noise: float = 0.3, with_life: bool = False
) -> dict[str, list[object]]:
    """Machines of 60 to 90 cycles: vibration rises and pressure falls toward the failure."""
    generator = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {
        name: [] for name in ("machine", "cycle", "vibration [mm/s]", "pressure", "hum")
    }
    lives: list[object] = []
    for number in range(count):
        length = int(generator.integers(60, 91))
        life = np.arange(length)[::-1]
        wear = np.exp(-life / 15)
        columns["machine"] += [f"M{number}"] * length
        columns["cycle"] += list(range(1, length + 1))
        vibration = 2 + 5 * wear + generator.normal(0, noise, length)
        columns["vibration [mm/s]"] += [round(value, 3) for value in vibration]
        pressure = 8 - 2 * wear + generator.normal(0, noise, length)
        columns["pressure"] += [round(value, 3) for value in pressure]
        columns["hum"] += [round(value, 3) for value in generator.normal(50, 1, length)]
        lives += life.tolist()
    return {**columns, "RUL": lives} if with_life else columns


def last_steps(
    columns: dict[str, list[object]], machine: str, steps: int
) -> dict[str, list[float]]:
    """The inputs of a call with the last steps of a machine."""
    rows = [at for at, name in enumerate(columns["machine"]) if name == machine][-steps:]
    return {
        name: [float(str(columns[name][at])) for at in rows]
        for name in ("vibration [mm/s]", "pressure", "hum")
    }
