"""Made-up runs of a machine with a class each, in long format."""

import numpy as np

CLASSES = ("loose", "ok", "worn")


def courses(
    count: int = 36, steps: int = 40, *, seed: int = 5, columns: tuple[str, ...] = ("x", "y", "hum")
) -> dict[str, list[object]]:
    """Runs whose classes have the same mean: `loose` swings, `worn` drifts; `hum` is noise."""
    generator = np.random.default_rng(seed)
    table: dict[str, list[object]] = {name: [] for name in ("run", "step", *columns, "state")}
    place = np.arange(steps)
    for number in range(count):
        state = CLASSES[number % len(CLASSES)]
        x, y, hum = generator.normal(0, 0.5, (3, steps))
        if state == "loose":
            x += 1.5 * np.sin(place * 1.3 + generator.uniform(0, 6))
        if state == "worn":
            y += 3 * (place - place.mean()) / steps
        table["run"] += [f"R{number}"] * steps
        table["step"] += place.tolist()
        for name, values in zip(columns, (x, y, hum), strict=True):
            table[name] += [round(float(value), 4) for value in values]
        table["state"] += [state] * steps
    return table


def course(table: dict[str, list[object]], run: str) -> dict[str, list[float]]:
    """The inputs of a call with one run."""
    rows = [at for at, name in enumerate(table["run"]) if name == run]
    return {name: [float(str(table[name][at])) for at in rows] for name in ("x", "y", "hum")}
