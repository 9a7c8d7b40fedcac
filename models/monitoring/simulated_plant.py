"""A simulated plant under closed-loop control, on which monitors are evaluated. Not real data.

It has the shape of the Tennessee Eastman process (Downs and Vogel 1993), not its equations: 52
columns every three minutes, of them 22 measurements, 19 analyses with dead time that hold their
value between samples, and 11 valves of PI loops; slow causes that are never at rest; steps, random
variation, a slow drift and sticking valves as faults. All values are deviations from the operating
point. The structure of the plant is drawn from a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from models.monitoring.components import Floats, Indices

LOOPS, STATES, CAUSES = 11, 22, 10
MEASUREMENTS, ANALYSES = 22, 19
COLUMNS = MEASUREMENTS + ANALYSES + LOOPS
# Integration steps of half a minute in each row of three minutes.
_STEPS, _MINUTES = 6, 0.5
_WARM_UP_ROWS = 250
# Noise in parts of a column's own deviation, which courses without noise show.
_NOISE_SHARES = (0.3, 1.5)
_PILOT_COURSES, _PILOT_ROWS = 4, 500
# Analyses are sampled every second row, the last five every fifth one, and known one sample later.
_PERIODS = np.array([2] * 14 + [5] * 5)
# Valves move by so much from their operating point.
_STROKE = 6.0
_CURVATURE = 0.03


class FaultKind(StrEnum):
    """What goes wrong: a cause steps, varies more or drifts away, or a valve sticks."""

    STEP = "step"
    RANDOM = "random variation"
    DRIFT = "slow drift"
    STICKING = "sticking valve"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one cause, or of one valve if it sticks.

    size: of a step or drift in standard deviations of the cause, of random variation the factor of
    its deviation, of sticking the part of the stroke that the command must exceed.
    """

    kind: FaultKind
    target: int
    size: float


@dataclass(frozen=True, slots=True)
class Plant:
    """Linear dynamics with PI loops, in minutes; each loop controls the state of its number.

    coupling: [states, states]. valve, cause: effects on the states, [states, loops] and [states,
    causes]. sensing: [measurements and analyses, states]. passing: effects of valves on
    measurements, [measurements, loops]. memory: minutes of the causes, [causes]. gain, integral:
    of the loops. noise: standard deviations, [columns].
    """

    coupling: Floats
    valve: Floats
    cause: Floats
    sensing: Floats
    passing: Floats
    memory: Floats
    gain: Floats
    integral: Floats
    noise: Floats


def draw_plant(seed: int) -> Plant:
    """Return a plant whose loops are stable: states hold themselves more than others move them."""
    random = np.random.default_rng(seed)
    minutes = np.concatenate([random.uniform(3, 20, LOOPS), random.uniform(5, 30, STATES - LOOPS)])
    coupling = _sparse(random, (STATES, STATES), 0.25)
    np.fill_diagonal(coupling, 0.0)
    coupling *= 0.5 / np.maximum(np.abs(coupling).sum(axis=1, keepdims=True), 1e-9)
    coupling = (coupling - np.eye(STATES)) / minutes[:, np.newaxis]
    valve = 0.15 * _sparse(random, (STATES, LOOPS), 0.2)
    valve[np.arange(LOOPS), np.arange(LOOPS)] = 1.0
    sensing = _sparse(random, (MEASUREMENTS + ANALYSES, STATES), 0.15)
    controlled = np.arange(LOOPS)
    sensing[controlled] = np.eye(LOOPS, STATES)
    rest = np.arange(LOOPS, MEASUREMENTS + ANALYSES)
    sensing[rest, random.integers(0, STATES, len(rest))] += 1.0
    passing = 0.5 * _sparse(random, (MEASUREMENTS, LOOPS), 0.1)
    passing[controlled] = 0.0
    quiet = Plant(
        coupling,
        valve / minutes[:, np.newaxis],
        _sparse(random, (STATES, CAUSES), 0.3) / minutes[:, np.newaxis],
        sensing,
        passing,
        random.uniform(6, 45, CAUSES),
        random.uniform(0.8, 2.5, LOOPS),
        1.0 / minutes[:LOOPS],
        np.zeros(COLUMNS),
    )
    pilot = simulate(quiet, [None] * _PILOT_COURSES, _PILOT_ROWS, 0, seed)
    shares = random.uniform(*_NOISE_SHARES, COLUMNS)
    return replace(quiet, noise=shares * pilot.std(axis=(0, 1)))


def simulate(
    plant: Plant, faults: Sequence[Fault | None], rows: int, start: int, seed: int
) -> Floats:
    """Return a course for each fault, [faults, rows, COLUMNS]; faults begin at the row `start`."""
    random, count = np.random.default_rng(seed), len(faults)
    state, cause = np.zeros((count, STATES)), np.zeros((count, CAUSES))
    total, position = np.zeros((count, LOOPS)), np.zeros((count, LOOPS))
    found = np.zeros((count, _WARM_UP_ROWS + rows, COLUMNS))
    keep = np.exp(-_MINUTES / plant.memory)
    applied = AppliedFaults.of(faults)
    for row in range(len(found[0])):
        progress = (row - _WARM_UP_ROWS - start) / max(1, rows - start)
        for _ in range(_STEPS):
            deviation = applied.deviation(progress) * np.sqrt(1 - keep**2)
            cause = keep * cause + deviation * random.normal(size=cause.shape)
            total = np.clip(total - plant.integral * state[:, :LOOPS] * _MINUTES, -_STROKE, _STROKE)
            command = np.clip(plant.gain * (total - state[:, :LOOPS]), -_STROKE, _STROKE)
            position = applied.move(position, command, progress)
            acting = cause + applied.shift(progress)
            change = state @ plant.coupling.T + position @ plant.valve.T + acting @ plant.cause.T
            state = state + change * _MINUTES
        sensed = state @ plant.sensing.T
        sensed += _CURVATURE * sensed**2
        sensed[:, :MEASUREMENTS] += position @ plant.passing.T
        found[:, row] = np.concatenate([sensed, command], axis=1)
    return _read_out(found, plant.noise, random)[:, _WARM_UP_ROWS:]


@dataclass(frozen=True, slots=True)
class AppliedFaults:
    """Faults as arrays, one row for each course: a course without a fault has zeros."""

    steps: Floats
    drifts: Floats
    factors: Floats
    bands: Floats

    @classmethod
    def of(cls, faults: Sequence[Fault | None]) -> "AppliedFaults":
        """Return the arrays of faults."""
        shape = (len(faults), CAUSES)
        steps, drifts, factors = np.zeros(shape), np.zeros(shape), np.ones(shape)
        bands = np.zeros((len(faults), LOOPS))
        into = {
            FaultKind.STEP: steps,
            FaultKind.DRIFT: drifts,
            FaultKind.RANDOM: factors,
            FaultKind.STICKING: bands,
        }
        for course, fault in enumerate(faults):
            if fault is not None:
                into[fault.kind][course, fault.target] = fault.size
        return cls(steps, drifts, factors, bands)

    def deviation(self, progress: float) -> Floats:
        """Return the standard deviations of the causes, [courses, causes]."""
        return self.factors if progress > 0 else np.ones_like(self.factors)

    def shift(self, progress: float) -> Floats:
        """Return by how much the causes are off, [courses, causes]."""
        return np.asarray(self.steps * (progress > 0) + self.drifts * max(0.0, progress))

    def move(self, position: Floats, command: Floats, progress: float) -> Floats:
        """Return the valves' new positions: a sticking one waits for a larger command."""
        is_stuck = np.abs(command - position) < self.bands * _STROKE * (progress > 0)
        return np.where(is_stuck, position, command)


def _read_out(values: Floats, noise: Floats, random: np.random.Generator) -> Floats:
    """Return what is recorded: values with noise; analyses late and held between samples."""
    found = values + noise * random.normal(size=values.shape)
    rows: Indices = np.arange(values.shape[1])
    for analysis, period in enumerate(_PERIODS.tolist()):
        column = MEASUREMENTS + analysis
        sampled = np.maximum(rows // period * period - period, 0)
        found[:, :, column] = found[:, sampled, column]
    return found


def _sparse(random: np.random.Generator, shape: tuple[int, int], share: float) -> Floats:
    """Return normal numbers of which the others than a share are zero."""
    return np.asarray(random.normal(size=shape) * (random.random(shape) < share))
