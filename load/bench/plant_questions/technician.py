"""Expected answers of the fourth set: questions of a technician who has not read the rules."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.plant.questions.values import AnswerStatus
from load.bench.plant_questions.facts import (
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
from load.bench.plant_questions.plant import GeneratedPlant

_IN_2025 = {"start": "2025", "end": "2026"}
_IN_2026 = {"start": "2026", "end": "2027"}


def _newest(plant: GeneratedPlant, machine: str, done: str = "") -> Expected:
    """Return the newest work order of a machine."""
    found = max(orders(plant, machine=machine, done=done), key=lambda one: one.day)
    return codes("event1", [found.number])


def _most_broken(plant: GeneratedPlant) -> Expected:
    """Return the pumps with the most work orders that found a failure."""
    return codes("asset", most(one.machine for one in orders(plant, kind="P") if one.found))


def _vibrated_again(plant: GeneratedPlant) -> Expected:
    """Return the pumps that vibrated after their shaft had been aligned."""
    vibrated = orders(plant, kind="P", found="vibration")
    pairs = related(vibrated, orders(plant, done="shaft_alignment"), after=True)
    return codes("asset", machines(one for one, _ in pairs))


def _cleaned(plant: GeneratedPlant) -> Expected:
    """Return the work orders that cleaned a filter of C-102 after it had been blocked."""
    cleaned = orders(plant, machine="C-102", done="filter_cleaning")
    blocked = orders(plant, machine="C-102", found="filter_blockage")
    return codes("event1", {one.number for one, _ in related(cleaned, blocked, after=True)})


def _in_area(area: str) -> Fact:
    """Return all machines of an area."""
    return lambda plant: codes("asset", [one.code for one in plant.machines if one.area == area])


def _newest_value(tag: str) -> Fact:
    """Return the point whose newest value is asked for."""
    return lambda _: codes("point", [tag])


TECHNICIAN_FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        "leaked_in_2026": lambda plant: codes(
            "asset", machines(orders(plant, kind="P", found="seal_leak", **_IN_2026))
        ),
        "leaks_of_p105": lambda plant: codes(
            "event1", [one.number for one in orders(plant, machine="P-105", found="seal_leak")]
        ),
        "count_bearing_p103": lambda plant: number(
            len(orders(plant, machine="P-103", done="bearing_change"))
        ),
        "last_order_p101": lambda plant: _newest(plant, "P-101"),
        "last_seal_change_p102": lambda plant: _newest(plant, "P-102", "seal_change"),
        "causes_of_leak": lambda _: codes("cause", fmea(2, "seal_leak")),
        "remedies_of_cavitation": lambda _: codes("remedy", fmea(4, "cavitation")),
        "remedies_of_overheating": lambda _: codes("remedy", fmea(4, "bearing_overheating")),
        "effects_of_overheating": lambda _: codes("effect", fmea(3, "bearing_overheating")),
        "machines_in_boiler_house": _in_area("A1"),
        "fans_in_packing": lambda plant: codes("asset", of_kind(plant, "F", "A3")),
        "count_fans_in_packing": lambda plant: number(len(of_kind(plant, "F", "A3"))),
        "pumps_in_water_list": lambda plant: codes("asset", of_kind(plant, "P", "A2")),
        "compressors": lambda plant: number(len(of_kind(plant, "C"))),
        "fans_vibrated_2025": lambda plant: codes(
            "asset", machines(orders(plant, kind="F", found="vibration", **_IN_2025))
        ),
        "vibration_of_p104": _newest_value("P-104.V"),
        "temperature_of_f102": _newest_value("F-102.T"),
        "pump_with_most_failures": _most_broken,
        "vibrated_after_alignment": _vibrated_again,
        "guide_of_seal": lambda _: codes("document", ["D-SEAL"]),
        "maker_of_p107": lambda _: codes("value", ["KSB"]),
        "power_of_f104": lambda plant: codes(
            "value", [one.power for one in plant.machines if one.code == "F-104"]
        ),
        "made_by_howden": lambda plant: codes("asset", of_kind(plant, "F") | of_kind(plant, "C")),
        "mode_most_on_compressors": lambda plant: codes(
            "mode", most(one.found for one in orders(plant, kind="C") if one.found)
        ),
        "cleaned_after_blockage": _cleaned,
        "found_in_order": lambda _: codes("event1", ["WO-4010"]),
        "unknown_point": lambda _: Expected(AnswerStatus.UNKNOWN_NAMES),
        "unknown_machine": lambda _: UNKNOWN,
    }
)
