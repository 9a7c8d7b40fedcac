"""Series of made-up plants, as columns of a table."""

from functools import cache

import numpy as np

from models.adaptation import Adaptation
from models.forecasting.adapt import ForecastAdapter
from models.forecasting.data import ForecastData, build_forecast_data
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from tests.support.models.tables import csv

TARGET = "load [kW]"
START = np.datetime64("2026-03-02T00:00:00")


def times(count: int, minutes: int = 60) -> list[object]:
    """Times at equal distances, as people write them."""
    moments = START + np.arange(count) * np.timedelta64(minutes, "m")
    return [str(moment).replace("T", " ") for moment in moments]


def load_curve(days: int = 21, *, noise: float = 1.0, seed: int = 3) -> dict[str, list[object]]:
    """An hourly load with a course of the day, and an outdoor temperature that has no effect."""
    generator = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    load = 100 + 20 * np.sin(hours * np.pi / 12) + 8 * np.sin(hours * np.pi / 6)
    load = load + generator.normal(0, noise, len(hours))
    return {
        "time": times(len(hours)),
        "outdoor": [round(value, 2) for value in generator.normal(10, 3, len(hours))],
        TARGET: [round(value, 3) for value in load],
    }


def series_of(columns: dict[str, list[object]], **stated: object) -> ForecastData:
    """The series of columns."""
    request = SchemaRequest(**{"target": TARGET, **stated})  # type: ignore[arg-type]
    return build_forecast_data(infer_schema(read_table(csv(columns)), request))


@cache
def trained_forecaster() -> Adaptation:
    """A forecaster of the load, trained once in a process."""
    adapter = ForecastAdapter(SchemaRequest(target=TARGET, ignored=("outdoor",)), threads=1)
    return adapter(csv(load_curve()), lambda sentence: None)
