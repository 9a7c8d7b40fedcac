"""Public series as machine histories, each group with the way its histories are split.

A warning is right: on SKAB during a labelled anomaly, on C-MAPSS in the last 30 cycles before the
end, on the hydraulic rig while a component is in its worst condition, on NAB in a labelled window.
"""

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from models.anomaly.data import load as load_skab
from models.condition.data import TARGETS
from models.condition.data import load as load_hydraulic
from models.policies.warnings.history import Flags, Floats, MachineHistory
from models.rul.data import load as load_cmapss

DATA = Path(__file__).parents[4] / "shared" / "data"
_LIFE_TICKS, _LIFE_HORIZON = 40, 30
_RIG_TARGETS, _RIG_NORMAL = (1, 2), 200
# Hold and normal ticks, and the length of a tick in hours.
_NAB = {
    "machine_temperature_system_failure": (288, 2016, 1 / 12),
    "ambient_temperature_system_failure": (72, 1000, 1.0),
}
_PARTS = 5


@dataclass(frozen=True, slots=True)
class Split:
    """Histories that are learned from, and those that are replayed."""

    learned: tuple[MachineHistory, ...]
    replayed: tuple[MachineHistory, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Series of one kind. hold: of warnings, in ticks. tick_hours: the length of a tick."""

    name: str
    splits: tuple[Split, ...]
    hold: int
    tick_hours: float


def read_groups(folder: Path) -> Iterator[Group]:
    """Return the groups of all series below a folder."""
    yield Group("SKAB", left_out_in_turn(tuple(_skab(folder))), 20, 1 / 3600)
    yield Group("C-MAPSS FD001", left_out_in_turn(tuple(_lives(folder))), 30, 8.0)
    for position in _RIG_TARGETS:
        name = f"hydraulic rig, {TARGETS[position].name}"
        yield Group(name, (later_part(_rig(folder, position), 0.6),), 10, 1 / 60)
    for stem, (hold, normal, hours) in _NAB.items():
        yield Group(f"NAB {stem}", (later_part(_nab(folder, stem, normal), 0.6),), hold, hours)


def left_out_in_turn(histories: tuple[MachineHistory, ...]) -> tuple[Split, ...]:
    """Return splits in which each history is replayed once."""
    parts = np.array_split(np.arange(len(histories)), _PARTS)
    return tuple(
        Split(
            tuple(one for index, one in enumerate(histories) if index not in part),
            tuple(histories[index] for index in part),
        )
        for part in parts
    )


def later_part(history: MachineHistory, share: float) -> Split:
    """Return a split in which the first `share` of a history is learned from."""
    cut = int(history.ticks * share)
    if any(first <= cut <= last for first, last in history.events):
        cut = next(last + 1 for first, last in history.events if first <= cut <= last)
    shift = cut - history.normal
    before = tuple(event for event in history.events if event[1] < cut)
    after = tuple((one - shift, two - shift) for one, two in history.events if one >= cut)
    learned = replace(history, readings=history.readings[:cut], events=before)
    kept = np.concatenate([history.readings[: history.normal], history.readings[cut:]])
    return Split((learned,), (replace(history, readings=kept, events=after),))


def events_of(flags: Flags) -> tuple[tuple[int, int], ...]:
    """Return first and last tick of each run of flags."""
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    firsts, lasts = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return tuple((int(one), int(other)) for one, other in zip(firsts, lasts, strict=True))


def _skab(folder: Path) -> Iterator[MachineHistory]:
    """Return the experiments, whose first 400 seconds are normal."""
    for number, one in enumerate(load_skab(folder).experiments, start=1):
        flags = one.anomalous.copy()
        flags[:400] = False
        yield MachineHistory(f"skab {number}", one.readings, events_of(flags), 400)


def _lives(folder: Path) -> Iterator[MachineHistory]:
    """Return the engines from their first cycle to their end."""
    for number, engine in enumerate(load_cmapss(folder).training, start=1):
        readings = np.asarray(engine.readings, dtype=np.float64)
        last = len(readings) - 1
        event = (max(_LIFE_TICKS, last - _LIFE_HORIZON), last)
        yield MachineHistory(f"engine {number}", readings, (event,), _LIFE_TICKS)


def _rig(folder: Path, target: int) -> MachineHistory:
    """Return the cycles of the rig by mean and spread of each sensor."""
    dataset = load_hydraulic(folder)
    cycles = np.asarray(dataset.readings, dtype=np.float64)
    readings = np.concatenate([cycles.mean(axis=2), cycles.std(axis=2)], axis=1)
    events = events_of(dataset.labels[:, target] == 0)
    return MachineHistory(f"rig, {TARGETS[target].name}", readings, events, _RIG_NORMAL)


def _nab(folder: Path, stem: str, normal: int) -> MachineHistory:
    """Return a series with its labelled windows."""
    windows = json.loads((folder / "nab" / "combined_windows.json").read_text())
    with gzip.open(folder / "nab" / f"{stem}.csv.gz", "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    times = [datetime.fromisoformat(row["timestamp"]) for row in rows]
    readings: Floats = np.array([[float(row["value"])] for row in rows])
    flags = np.zeros(len(rows), dtype=bool)
    for first, last in windows[f"realKnownCause/{stem}.csv"]:
        begins, ends = datetime.fromisoformat(first), datetime.fromisoformat(last)
        flags |= np.array([begins <= time <= ends for time in times])
    return MachineHistory(stem, readings, events_of(flags), normal)
