"""The coolant pump that the demo's agents watch: plant model, simulated readings, its repair.

day -31 … -20 quiet · -20 a warning that is denied · -9 bearing damage, repaired on day -8 · now
"""

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from gateway.demo.plant.model import SHOP
from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
    Relation,
)
from gateway.plant.readings.values import DAY_US, Series, Times

PUMP = "KSB-01"
DAYS = 31
# A work order has a date, which is the day's start in UTC: up to a day before. It must follow the
# proposal, which is made half a day after the fault was found.
DENIED_DAY, FOUND_DAY, REPAIRED_DAY = 20, 9, 7
_ORDER = "WO-0101"
# Name, unit and concept of each point by the last part of its tag.
_POINTS = {
    "V": ("振动 vibration velocity", "mm/s", "vibration_velocity"),
    "T": ("轴承温度 bearing temperature", "degC", "bearing_temperature"),
    "P": ("出口压力 discharge pressure", "bar", "discharge_pressure"),
    "Q": ("流量 flow", "m3/h", "flow"),
    "KW": ("轴功率 shaft power", "kW", "shaft_power"),
}
_STEP_US = 30 * 60 * 1_000_000
Values = NDArray[np.float64]


def pump_tag(point: str) -> str:
    """Return the tag of a point of the pump."""
    return f"{PUMP}.{point}"


def pump_model(now: datetime) -> PlantModel:
    """Return the pump with its points, and the work order that found the worn bearing."""
    points = [
        Point(pump_tag(tag), name, PUMP, unit, concept=Concept("own", concept))
        for tag, (name, unit, concept) in _POINTS.items()
    ]
    date = Property((now - timedelta(days=REPAIRED_DAY)).date().isoformat())
    order = Entity(EntityKind.WORK_ORDER, _ORDER, "冷却液泵：更换驱动端轴承", {"date": date})
    relations = [
        Relation(_order(), "on", Node(NodeKind.ASSET, PUMP)),
        Relation(_order(), "found", Node(NodeKind.FAILURE_MODE, "bearing_wear")),
    ]
    asset = Asset(PUMP, "冷却液泵 1", AssetLevel.EQUIPMENT, SHOP)
    return PlantModel((asset,), tuple(points), (order,), tuple(relations))


def pump_series(since_us: int, until_us: int, end_us: int) -> Mapping[str, Series]:
    """Return the readings after a time and up to another one, by the last part of their tags.

    end_us: the end of the demo, which the days of its story count back from.
    """
    first = since_us // _STEP_US + 1
    times = np.arange(first, until_us // _STEP_US + 1, dtype=np.int64) * _STEP_US
    noise = np.random.default_rng(zlib.crc32(f"{PUMP} {first}".encode()))
    return {tag: Series.of(times, np.round(one, 3)) for tag, one in _signals(times, end_us, noise)}


def _signals(times: Times, end_us: int, noise: np.random.Generator) -> list[tuple[str, Values]]:
    """Return the values of each point."""
    ago, count = (end_us - times) / DAY_US, len(times)
    clogged = _between(ago, DENIED_DAY, DENIED_DAY - 0.6)
    worn = _between(ago, FOUND_DAY, FOUND_DAY - 0.6) + 0.7 * _between(ago, 0.3, 0)
    flow = 42 - 3 * clogged - 6 * worn + noise.normal(0, 0.4, count)
    return [
        ("V", 2.2 + 2.9 * clogged + 4.1 * worn + np.abs(noise.normal(0, 0.12, count))),
        ("T", 51 + 16 * worn + noise.normal(0, 0.8, count)),
        ("P", 3.1 - 0.3 * clogged + noise.normal(0, 0.03, count)),
        ("Q", flow),
        ("KW", 5.1 + 0.5 * worn + noise.normal(0, 0.05, count)),
    ]


def _between(ago: Values, first: float, last: float) -> Values:
    """Return 1 between two numbers of days before the end, else 0."""
    return np.asarray((ago <= first) & (ago >= last), np.float64)


def _order() -> Node:
    """Return the work order of the repair."""
    return Node(NodeKind.WORK_ORDER, _ORDER)
