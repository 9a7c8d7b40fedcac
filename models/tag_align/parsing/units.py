"""Infer the unit of a point: from its name if that has one, else from its quantity and range."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

# A unit at the end of a name or of one of its parts, in brackets, after a blank or after `_`.
_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "degc": "degC",
        "deg c": "degC",
        "°c": "degC",
        "℃": "degC",
        "degf": "degF",
        "deg f": "degF",
        "°f": "degF",
        "%": "%",
        "pct": "%",
        "percent": "%",
        "%rh": "%",
        "ppm": "ppm",
        "pa": "Pa",
        "kpa": "kPa",
        "mpa": "MPa",
        "bar": "bar",
        "mbar": "mbar",
        "psi": "psi",
        "inh2o": "inH2O",
        "w": "W",
        "kw": "kW",
        "mw": "MW",
        "kwh": "kWh",
        "mwh": "MWh",
        "kva": "kVA",
        "kvar": "kvar",
        "a": "A",
        "ma": "mA",
        "v": "V",
        "mv": "mV",
        "kv": "kV",
        "hz": "Hz",
        "rpm": "rpm",
        "m/s": "m/s",
        "mm/s": "mm/s",
        "m3/h": "m3/h",
        "m³/h": "m3/h",
        "l/s": "l/s",
        "l/min": "l/min",
        "cfm": "cfm",
        "gpm": "gpm",
        "kg/h": "kg/h",
        "t/h": "t/h",
        "lux": "lux",
        "nm": "Nm",
        "mm": "mm",
        "µm": "µm",
    }
)
# Short units are words or letters of other meaning unless a bracket says otherwise.
_BRACKETS_ONLY = frozenset({"a", "v", "w", "mw", "ma", "mv", "bar", "nm", "mm", "pa"})
_BRACKETED = re.compile(r"[\[(（]\s*([^\[\]()（）]{1,8}?)\s*[\])）]\s*$")
_TRAILING = re.compile(r"(?:^|[\s_.-])([°℃%µ\w³]{1,6}(?:/\w{1,3})?)\s*$")
# The ranges of plausible values of a quantity in each of its units, the usual unit first.
_RANGES: Mapping[str, tuple[tuple[str, float, float], ...]] = MappingProxyType(
    {
        "temperature": (("degC", -45, 150), ("degF", 0, 300), ("K", 230, 420)),
        "humidity": (("1", 0, 1), ("%", 0, 100)),
        "position": (("1", 0, 1), ("%", 0, 100)),
        "co2": (("ppm", 200, 10_000),),
        "frequency": (("Hz", 0, 400),),
    }
)
# A room is never at 60 °C, and a range within these limits decides between Celsius and Fahrenheit.
_ROOM_CELSIUS, _ROOM_FAHRENHEIT = (5.0, 45.0), (45.0, 110.0)
_AIR_WORDS = frozenset({"air", "room", "zone", "outside", "space"})


class UnitBasis(StrEnum):
    """What an inferred unit is based on."""

    NAME = "name"
    RANGE = "range"
    NONE = ""


@dataclass(frozen=True, slots=True)
class InferredUnit:
    """A unit, empty if none is found, and what it is based on."""

    unit: str
    basis: UnitBasis


NO_UNIT = InferredUnit("", UnitBasis.NONE)


def infer_unit(
    text: str, words: Sequence[str], value_range: tuple[float, float] | None
) -> InferredUnit:
    """Infer the unit of a point.

    text: the point's name as written. words: the same in English words. value_range: the lowest
    and highest value of the point; None if not known.
    """
    if unit := _unit_in_name(text):
        return InferredUnit(unit, UnitBasis.NAME)
    if value_range is None:
        return NO_UNIT
    unit = _unit_of_range(words, *value_range)
    return InferredUnit(unit, UnitBasis.RANGE) if unit else NO_UNIT


def _unit_in_name(text: str) -> str:
    """Return the unit at the end of a name; empty if there is none."""
    if bracketed := _BRACKETED.search(text):
        return _UNITS.get(bracketed[1].lower(), "")
    if trailing := _TRAILING.search(text):
        symbol = trailing[1].lower()
        return "" if symbol in _BRACKETS_ONLY else _UNITS.get(symbol, "")
    return ""


def _unit_of_range(words: Sequence[str], low: float, high: float) -> str:
    """Return the only unit in which a quantity has such values; empty if several are possible."""
    quantity = next((word for word in words if word in _RANGES), "")
    possible = [
        unit for unit, least, most in _RANGES.get(quantity, ()) if least <= low <= high <= most
    ]
    if quantity == "temperature" and _AIR_WORDS & set(words):
        for unit, (least, most) in (("degC", _ROOM_CELSIUS), ("degF", _ROOM_FAHRENHEIT)):
            if least <= low <= high <= most:
                return unit
    if quantity in ("humidity", "position"):
        return possible[0] if possible else ""
    return possible[0] if len(possible) == 1 else ""
