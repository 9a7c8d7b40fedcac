"""A seeded simulator of a tank with two pumps, whose demand follows a public hourly series.

The pumps wear, the meters scatter, and the demand differs from that of the series by noise. None of
it is known to the policy, which sees logs only.
"""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.policies.scheduling.controllers import Controller
from models.policies.scheduling.log import OperationLog
from models.policies.scheduling.pumping import Installation, Levels, Pumps
from models.policies.scheduling.tariff import EXAMPLE, Floats, Tariff, read_tariff

SLOTS = 96
ETT = Path(__file__).parents[4] / "shared" / "data" / "ett" / "ETTh1.csv.gz"

# A tank of six hours of mean demand and two pumps, the second of which adds less than the first.
TANK_M3 = 640.0
LEVELS = Levels(0.15 * TANK_M3, 0.95 * TANK_M3)
FLOWS, POWERS, START_PRICE = (0.0, 90.0, 168.0), (0.2, 30.0, 61.0), 1.0
_LOWEST_DEMAND, _DEMAND_SPAN = 40.0, 100.0
_DEMAND_SHAPE = 40.0
_FLOW_NOISE, _METER_NOISE = 0.01, 0.005


@dataclass(frozen=True, slots=True)
class Waterworks:
    """A simulated installation with its demand by day, [days, slots], in m³ a step."""

    installation: Installation
    tariff: Tariff
    demands: Floats


def build_waterworks(series: Path, days: int, seed: int) -> Waterworks:
    """Return the works with `days` of demand: the days of the series in order, again and again."""
    tariff = read_tariff(EXAMPLE.read_text())
    pumps = Pumps(FLOWS, POWERS, START_PRICE)
    prices = tuple(float(price) for price in tariff.prices(SLOTS))
    hourly = _hourly_demand(series)
    whole = hourly[: len(hourly) // 24 * 24].reshape(-1, 24)
    taken = whole[np.arange(days) % len(whole)].repeat(SLOTS // 24, axis=1) * 24 / SLOTS
    noise = np.random.default_rng(seed).gamma(_DEMAND_SHAPE, 1 / _DEMAND_SHAPE, taken.shape)
    return Waterworks(Installation(LEVELS, pumps, prices), tariff, taken * noise)


def record_log(
    works: Waterworks, controller: Controller, days: int, random_share: float, seed: int
) -> OperationLog:
    """Return the log of the first days, with a share of random actions.

    The float switches of the tank end a random action that would leave the levels.
    """
    random, installation = np.random.default_rng(seed), works.installation
    level, before, rows = float(np.mean([LEVELS.lowest, LEVELS.highest])), 0, []
    for demands in works.demands[:days]:
        for slot, demand in enumerate(demands):
            action = controller.act(slot, level, before)
            if random.random() < random_share:
                action = int(random.integers(installation.pumps.actions))
            inflow = float(installation.inflows[action] * random.normal(1, _FLOW_NOISE))
            if level + inflow - demand > LEVELS.highest:
                action, inflow = 0, 0.0
            energy = installation.pumps.powers[action] * installation.hours
            scatter = random.normal(1, _METER_NOISE, 3)
            rows.append((slot, level, action, inflow * scatter[0], demand * scatter[1],
                         energy * scatter[2]))  # fmt: skip
            level, before = level + inflow - float(demand), action
    slots, levels, actions, inflows, out, energies = (
        np.array(one) for one in zip(*rows, strict=True)
    )
    return OperationLog(slots, levels, actions, inflows, out, energies)


def _hourly_demand(series: Path) -> Floats:
    """Return a demand in m³/h with the course of the first column of an ETT file, [hours]."""
    with gzip.open(series, "rt", encoding="utf-8") as lines:
        load = np.array([float(row["HUFL"]) for row in csv.DictReader(lines)])
    low, high = np.quantile(load, [0.01, 0.99])
    return np.asarray(_LOWEST_DEMAND + _DEMAND_SPAN * np.clip((load - low) / (high - low), 0, 1))
