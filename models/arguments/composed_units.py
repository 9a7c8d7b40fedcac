"""Units that people compose of two names: flows, densities, torques and turns per time.

`3 m³/min`, `每分钟` after `立方米` and `lbf·ft` need no notation of their own. Names of one letter
count in their own case only.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_Names = Mapping[str, str]
_VOLUMES: _Names = MappingProxyType(
    {
        "m3": "m3|m^3|立方米|立方|方|cubic metres|cubic meters|cubic metre|cubic meter|cbm",
        "L": "L|l|litres|liters|litre|liter|dm3|dm^3|立方分米|公升|升",
        "gal": "gallons|gallon|gal|US gallons|US gallon|US gal|U.S. gallon|加仑",
        "ft3": "ft3|ft^3|cubic feet|cubic foot|cu ft|cu. ft|立方英尺",
        "cm3": "cm3|cm^3|cc|ml|立方厘米|毫升",
    }
)
_TIMES: _Names = MappingProxyType(
    {
        "h": "h|hr|hour|小时|钟头|时",
        "min": "min|minute|分钟|分",
        "s": "s|sec|second|秒钟|秒",
        "d": "d|day|天|日",
    }
)
_TURNS: _Names = MappingProxyType(
    {"r": "r|rev|revs|圈|revolutions|revolution|turns|times|rotations|转"}
)
_MASSES: _Names = MappingProxyType(
    {
        "kg": "kg|千克|公斤|kilograms|kilogrammes|kilogram",
        "g": "g|克|grams|gram",
        "t": "t|吨|tonnes|tonne",
        "lb": "lb|lbs|pounds|pound|磅",
    }
)
_FORCES: _Names = MappingProxyType(
    {
        "N": "N|牛顿|牛|newtons|newton",
        "kN": "kN|千牛顿|千牛|kilonewton",
        "daN": "daN",
        "cN": "cN|厘牛",
        "mN": "mN|毫牛",
        "MN": "MN|兆牛",
        "lbf": "lbf|lb|pounds|pound|磅力|磅",
        "kgf": "kgf|kp|kg|公斤力|公斤|千克力|千克",
    }
)
_LENGTHS: _Names = MappingProxyType(
    {
        "m": "m|米|metres|meters|metre|meter",
        "cm": "cm|厘米",
        "mm": "mm|毫米",
        "ft": "ft|feet|foot|英尺",
        "in": "in|inches|inch|英寸",
    }
)
_DISTANCES: _Names = MappingProxyType({**_LENGTHS, "km": "km|公里|千米"})
_PER = r"\s?/\s?|每|\sper\s|\sa\s|\san\s|\seach\s"
_BY = r"[·*. ⋅-]?"


@dataclass(frozen=True, slots=True)
class _Composition:
    """Two tables of names, and what stands between them; `sign` is that of the unit."""

    kind: str
    first: _Names
    second: _Names
    between: str
    sign: str

    @property
    def pattern(self) -> str:
        """Return the pattern of its notations, without named groups."""
        return f"(?:{_any_of(self.first)})(?:{self.between})(?:{_any_of(self.second)})"


_COMPOSITIONS = (
    _Composition("flow", _VOLUMES, _TIMES, _PER, "/"),
    _Composition("density", _MASSES, _VOLUMES, _PER, "/"),
    _Composition("turns", _TURNS, _TIMES, _PER, "/"),
    _Composition("velocity", _DISTANCES, _TIMES, _PER, "/"),
    _Composition("torque", _FORCES, _LENGTHS, _BY, "*"),
    _Composition("torque", _LENGTHS, {"lbf": _FORCES["lbf"]}, _BY, "*"),
)
# Turns per day or hour are no speed that anybody states.
_SPEEDS: _Names = MappingProxyType({"r/min": "rpm", "r/s": "r/s"})


def _any_of(table: _Names) -> str:
    """Return the alternatives of all names, the longest first."""
    names = sorted((name for one in table.values() for name in one.split("|")), key=len)
    return "|".join(_literal(name) for name in reversed(names))


def _literal(name: str) -> str:
    """Return the pattern of a name: one letter in its own case, letters not within a word."""
    escaped = re.escape(name).replace(r"\ ", r"\s")
    if len(name) == 1 and name.isascii():
        escaped = f"(?-i:{escaped})"
    is_word = name[-1].isascii() and name[-1].isalnum()
    return f"{escaped}(?![A-Za-z0-9])" if is_word and len(name) > 2 else escaped


PATTERN = "|".join(one.pattern for one in _COMPOSITIONS)
"""Any composed notation, in text after NFKC without regard to case; no named groups."""

_SPLIT = tuple(
    (
        one,
        re.compile(
            f"(?P<first>{_any_of(one.first)})(?:{one.between})(?P<second>{_any_of(one.second)})",
            re.IGNORECASE,
        ),
    )
    for one in _COMPOSITIONS
)


def composed_unit(notation: str) -> tuple[str, str] | None:
    """Return kind and unit of a composed notation in the form of models/units.py, None for none."""
    for one, pattern in _SPLIT:
        match = pattern.fullmatch(notation)
        if match is None:
            continue
        first, second = _unit_of(match["first"], one.first), _unit_of(match["second"], one.second)
        unit = f"{first}{one.sign}{second}"
        if one.kind != "turns":
            return one.kind, unit
        return ("speed", _SPEEDS[unit]) if unit in _SPEEDS else None
    return None


def _unit_of(name: str, table: _Names) -> str:
    """Return the unit that a name means."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    exact = (unit for unit, names in table.items() if name in names.split("|"))
    loose = (unit for unit, names in table.items() if folded in names.casefold().split("|"))
    return next(exact, None) or next(loose)


KINDS: Mapping[str, str] = MappingProxyType(
    {
        _SPEEDS.get(f"{first}{one.sign}{second}", f"{first}{one.sign}{second}"): (
            "speed" if one.kind == "turns" else one.kind
        )
        for one in _COMPOSITIONS
        for first in one.first
        for second in one.second
    }
)
"""The kind of each unit that a composed notation can mean."""
