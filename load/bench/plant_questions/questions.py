"""The questions of the set (questions.jsonl), and the expected answer of each by name."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from load.bench.plant_questions.facts import (
    NOTHING,
    UNKNOWN,
    Expected,
    Fact,
    codes,
    fmea,
    machines,
    most,
    number,
    of_kind,
    orders,
    related,
)
from load.bench.plant_questions.plant import FMEA, GeneratedPlant
from load.bench.plant_questions.technician import TECHNICIAN_FACTS

_FILE = Path(__file__).with_name("questions.jsonl")


class Case(msgspec.Struct, frozen=True):
    """A question: its set (`first` to `fourth`), language, text, and answer's name."""

    set: str
    language: str
    text: str
    fact: str

    def expected(self, plant: GeneratedPlant) -> Expected:
        """Return the right answer."""
        return FACTS[self.fact](plant)


def read_cases() -> Sequence[Case]:
    """Return the questions of all sets."""
    lines = _FILE.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Case) for line in lines if line]


def _pairs(
    plant: GeneratedPlant, first: Mapping[str, Any], second: Mapping[str, Any], *, after: bool
) -> Expected:
    """Return the machines with one work order after, or before, another."""
    pairs = related(orders(plant, **first), orders(plant, **second), after=after)
    return codes("asset", machines(one for one, _ in pairs))


def _after(kind: str, found: str, done: str) -> Fact:
    """Return the machines that had a failure after something was done."""
    return partial(_pairs, first={"kind": kind, "found": found}, second={"done": done}, after=True)


def _machines(**wanted: Any) -> Fact:
    """Return the machines of matching work orders."""
    return lambda plant: codes("asset", machines(orders(plant, **wanted)))


def _never(kind: str, **wanted: Any) -> Fact:
    """Return the machines of a kind without such a work order."""
    return lambda plant: codes("asset", of_kind(plant, kind) - machines(orders(plant, **wanted)))


def _count(**wanted: Any) -> Fact:
    """Return the number of matching work orders."""
    return lambda plant: number(len(orders(plant, **wanted)))


def _numbers(**wanted: Any) -> Fact:
    """Return the matching work orders."""
    return lambda plant: codes("event1", [one.number for one in orders(plant, **wanted)])


def _extreme(pick: Any, **wanted: Any) -> Fact:
    """Return the latest or earliest matching work order."""

    def fact(plant: GeneratedPlant) -> Expected:
        found = pick(orders(plant, **wanted), key=lambda one: one.day, default=None)
        return codes("event1", [found.number] if found else [])

    return fact


def _most(**wanted: Any) -> Fact:
    """Return the machines with the most matching work orders."""
    return lambda plant: codes("asset", most(one.machine for one in orders(plant, **wanted)))


def _of_mode(key: str, column: int, mode: str) -> Fact:
    """Return causes, effects or remedies of a failure mode."""
    return lambda _: codes(key, fmea(column, mode))


def _modes(chosen: Iterable[tuple[Any, ...]]) -> Fact:
    """Return the failure modes of rows of the FMEA."""
    found = {str(row[1]) for row in chosen}
    return lambda _: codes("mode", found)


def _rpn(row: tuple[Any, ...]) -> int:
    """Return the risk priority number of a row of the FMEA."""
    return int(row[5]) * int(row[6]) * int(row[7])


def _power(code: str) -> Fact:
    """Return the rated power of a machine."""
    return lambda plant: codes("value", [one.power for one in plant.machines if one.code == code])


def _fixed(expected: Expected) -> Fact:
    """Return an answer that does not depend on the records."""
    return lambda _: expected


_YEAR_2025 = {"start": "2025", "end": "2026"}
_YEAR_2026 = {"start": "2026", "end": "2027"}
FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        **TECHNICIAN_FACTS,
        "seal_after_bearing": _after("P", "seal_leak", "bearing_change"),
        "overheated_after_lubrication": _after("F", "bearing_overheating", "lubrication"),
        "blocked_after_cleaning": _after("C", "filter_blockage", "filter_cleaning"),
        "vibration_before_alignment": partial(
            _pairs,
            first={"kind": "P", "found": "vibration"},
            second={"done": "shaft_alignment"},
            after=False,
        ),
        "cavitated_in_2026": _machines(kind="P", found="cavitation", **_YEAR_2026),
        "worn_belts_in_packing": _machines(kind="F", area="A3", found="belt_wear"),
        "never_leaked": _never("P", found="seal_leak"),
        "leaks_in_2025": _count(found="seal_leak", **_YEAR_2025),
        "pumps_in_water": lambda plant: number(len(of_kind(plant, "P", "A2"))),
        "vibrations_of_fan": _count(machine="F-103", found="vibration"),
        "last_leak": _extreme(max, machine="P-109", found="seal_leak"),
        "first_seal_change": _extreme(min, machine="P-107", done="seal_change"),
        "orders_of_compressor": _numbers(machine="C-103"),
        "fan_with_most_wear": _most(found="belt_wear"),
        "causes_of_vibration": _of_mode("cause", 2, "vibration"),
        "causes_of_overheating": _of_mode("cause", 2, "bearing_overheating"),
        "remedies_of_leak": _of_mode("remedy", 4, "seal_leak"),
        "effects_of_cavitation": _of_mode("effect", 3, "cavitation"),
        "modes_of_misalignment": _modes(row for row in FMEA if row[2] == "misalignment"),
        "risky_modes": _modes(row for row in FMEA if _rpn(row) > 100),
        "power_of_compressor": _power("C-104"),
        "manual_of_pump": _fixed(codes("document", ["D-PUMP"])),
        "unknown": _fixed(UNKNOWN),
        "nothing": _fixed(NOTHING),
        "seal_changes_in_boiler_house": _machines(area="A1", done="seal_change"),
        "overheated_in_may_2026": _machines(
            found="bearing_overheating", start="2026-05-01", end="2026-06-01"
        ),
        "compressors_never_vibrated": _never("C", found="vibration"),
        "pump_with_most_leaks": _most(kind="P", found="seal_leak"),
        "bearing_changes_of_pump": _numbers(machine="P-101", done="bearing_change"),
        "fans": lambda plant: codes("asset", of_kind(plant, "F")),
        "fans_in_boiler_house": lambda plant: codes("asset", of_kind(plant, "F", "A1")),
        "temperature_points": _fixed(codes("point", ["C-102.T"])),
        "whole_of_pump": lambda plant: codes(
            "whole", [next(one.area for one in plant.machines if one.code == "P-104"), "W1"]
        ),
        "modes_of_bearing": _modes(row for row in FMEA if row[0] == "bearing"),
        "highest_rpn": _modes([max(FMEA, key=_rpn)]),
        "verdicts_of_pump": _fixed(
            codes("verdict", ["urn:maas:verdict:vrd_00", "urn:maas:verdict:vrd_03"])
        ),
        "remedies_of_vibration": _of_mode("remedy", 4, "vibration"),
        "cleaned_since_july": _machines(done="filter_cleaning", start="2026-07-01"),
    }
)
