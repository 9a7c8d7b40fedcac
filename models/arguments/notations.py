"""Notations of units in Chinese and English, by kind of quantity.

Each unit is in the notation of models/units.py, which converts it. The kind spares attempts to
convert between units of different quantities, each of which takes milliseconds. A notation of one
letter counts in its own case only.
"""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from models.arguments.composed_units import KINDS, composed_unit
from models.arguments.composed_units import PATTERN as COMPOSED_PATTERN

PIECES = "pcs"
# People leave out the time of a flow.
_CUBIC_METRES = "立方米|立方|方"
_PIECE_NAMES = (
    "pcs|pc|pieces|piece|pce|parts|part|units|unit|items|item|boxes|box|bottles|bottle|bags|bag|"
    "件|个|只|台|片|包|箱|瓶|袋|盒|套|支|根|枚|块|张|条|罐|颗|粒|卷|pc.|nos.|nos"
)
# Kind of quantity -> unit -> notations, separated by bars.
_TABLE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "temperature": {
            "degC": "°C|degC|deg C|degrees C|degree C|degrees celsius|degree celsius|celsius|"
            "摄氏度|度C|度|C",
            "degF": "°F|degF|deg F|degrees F|degree F|degrees fahrenheit|fahrenheit|华氏度|F",
            "degR": "°R|degR|rankine",
            "K": "K|kelvin|kelvins|开尔文",
        },
        "speed": {
            "rpm": "rpm|r.p.m.|1/min|min^-1|min-1|r|转",
            "r/s": "rps",
            "rad/s": "rad/s|rads/s|rad s-1|radians per second|radian per second|弧度/秒|弧度每秒",
            "rad/min": "rad/min|radians per minute|弧度/分钟|弧度/分|弧度每分钟",
            "1/s": "1/s|1/sec|s^-1|s-1",
            "Hz": "Hz|hertz|赫兹|赫",
        },
        "torque": {"N*m": "Nm"},
        "force": {
            "kN": "kN|千牛顿|千牛|kilonewtons|kilonewton",
            "N": "N|牛顿|牛|newtons|newton",
            "MN": "MN|兆牛",
            "mN": "mN|毫牛",
            "daN": "daN",
            "kgf": "kgf|kp|公斤力|千克力",
            "kkgf": "tf|吨力",
            "lbf": "lbf|pounds-force|pound-force|磅力",
        },
        "power": {
            "kW": "kW|千瓦|kilowatts|kilowatt",
            "MW": "MW|兆瓦|megawatts|megawatt",
            "W": "W|瓦特|瓦|watts|watt",
            "hp": "hp|horsepower|英制马力",
            "PS": "PS|metric hp|metric horsepower|公制马力|马力",
            "mW": "mW|毫瓦",
        },
        "energy": {
            "kWh": "kWh|kW·h|千瓦时|度电|度|kilowatt hours|kilowatt-hours",
            "MWh": "MWh|MW·h|兆瓦时|megawatt hours|megawatt-hours",
            "GWh": "GWh|吉瓦时",
            "Wh": "Wh|瓦时",
            "GJ": "GJ|吉焦",
            "MJ": "MJ|兆焦",
            "kJ": "kJ|千焦",
            "J": "J|joules|joule|焦耳|焦",
        },
        "time": {
            "min": "min|mins|minutes|minute|分钟|分",
            "h": "h|hr|hrs|hours|hour|个小时|小时|个钟头|钟头",
            "s": "s|sec|secs|seconds|second|秒钟|秒",
            "ms": "ms|msec|milliseconds|millisecond|毫秒",
            "d": "d|days|day|天",
        },
        "flow": {
            "m3/h": _CUBIC_METRES,
            "L/min": "lpm",
            "L/s": "lps",
            "gal/min": "gpm|USGPM|US gpm",
            "ft3/min": "cfm",
        },
        "length": {
            "m": "m|metres|meters|metre|meter|mWC|m WC|mH2O|mlc|米水柱|米",
            "mm": "mm|millimetres|millimeters|毫米",
            "cm": "cm|厘米",
            "ft": "ft|feet|foot|英尺",
            "in": "inches|inch|英寸",
            "um": "um|μm|microns|micron|micrometres|micrometers|微米",
            "km": "km|kilometres|kilometers|公里|千米",
        },
        "mass": {
            "kg": "kg|kgs|kilograms|kilogrammes|kilogram|千克|公斤",
            "g": "g|grams|gram|克",
            "mg": "mg|milligrams|毫克",
            "t": "t|tonnes|tonne|tons|吨",
            "lb": "lbs|lb|pounds|pound|磅",
        },
        "volume": {
            "m3": f"{_CUBIC_METRES}|m3|m^3|cbm",
            "L": "litres|liters|litre|liter|ltr|公升|升",
            "mL": "ml|millilitres|milliliters|毫升",
            "gal": "gallons|gallon|加仑",
        },
        "voltage": {
            "V": "V|volts|volt|伏特|伏",
            "kV": "kV|kilovolts|kilovolt|千伏",
            "mV": "mV|millivolts|millivolt|毫伏",
        },
        "current": {"A": "A|amperes|ampere|amps|amp|安培|安", "mA": "mA|毫安", "kA": "kA|千安"},
        "pressure": {
            "bar": "bar|巴",
            "MPa": "MPa|兆帕",
            "kPa": "kPa|千帕",
            "psi": "psi|psia",
            "Pa": "Pa|帕",
            "mbar": "mbar|毫巴",
            "kgf/cm2": "kgf/cm2|kgf/cm^2|kg/cm2|kg/cm^2|公斤/平方厘米|公斤每平方厘米",
            "N/mm2": "N/mm2|N/mm^2",
            "hPa": "hPa|百帕",
        },
        "velocity": {"in/s": "ips", "ft/min": "fpm"},
        "pieces": {PIECES: _PIECE_NAMES},
        "share": {"%": "%|per cent|percent|pct"},
        "mass flow": {"lb/s": "lb/s|pounds per second"},
        "fuel ratio": {"lb/s/psi": "lb/s/psi|pps/psi"},
    }
)
LOTS: Mapping[str, int] = MappingProxyType(
    {"1000": 1000, "1,000": 1000, "thousand": 1000, "千": 1000, "k": 1000, "100": 100}
    | {"hundred": 100, "百": 100, "10000": 10_000, "10,000": 10_000, "万": 10_000}
)
"""The words for so many pieces in `6.8 kWh per 1000 caps`."""
_LOTS = "|".join(sorted(LOTS, key=len, reverse=True))
# What is counted in pieces has any name: `0.33 kWh per bracket`, but not `per hour`.
_NO_PIECE = (
    r"(?!(?:hours?|hrs?|h|days?|weeks?|months?|years?|shifts?|minutes?|min|seconds?|sec"
    r"|kg|kilo\w*|g|gram\w*|tonnes?"
    r"|tons?|lit(?:er|re)s?|gal\w*|cubic|square|m|met(?:er|re)s?|foot|feet|ft"
    r"|unit time|cent|degree\w*"
    r"|rev\w*|turns?|sub\w*|sample\w*|group\w*|set|phase|line|the|your|our|iso|iec|us)\b)"
)
_PER_PIECE = (
    rf"\s*(?:/\s*|每\s*|一|per\s+|an?\s+|for each\s+|for one\s+)(?:{_PIECE_NAMES})|\s+each"
    rf"|\s*(?:/\s*|每\s*|per\s+|for (?:each|every)\s+|a\s+)(?P<lot>{_LOTS})"
    rf"\s*(?:{_PIECE_NAMES}|[A-Za-z]{{4,}})"
    r"|(?P<noun>(?:\s+(?:per|for each|for every|for one|an?)\s+|/)"
    rf"{_NO_PIECE}[A-Za-z]{{3,}}(?![A-Za-z]))"
)


def _units_by_notation(fold: bool) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return kind and unit of each notation; several for one such as `度`.

    With `fold`, notations are in lower case, and those of one letter are left out: `K` is kelvin,
    `k` is not.
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for kind, units in _TABLE.items():
        for unit, notations in units.items():
            for notation in unicodedata.normalize("NFKC", notations).split("|"):
                if not fold or len(notation) > 1:
                    name = notation.lower() if fold else notation
                    found[name] = (*found.get(name, ()), (kind, unit))
    return MappingProxyType(found)


_EXACT, _FOLDED = _units_by_notation(fold=False), _units_by_notation(fold=True)
_KINDS: Mapping[str, str] = MappingProxyType(
    {**KINDS, **{unit: kind for kind, units in _TABLE.items() for unit in units}}
)
# Units that the notations do not spell as models/units.py does.
_SYMBOLS: Mapping[str, str] = MappingProxyType(
    {"N·m": "N*m", "m³/h": "m3/h", "kg/m³": "kg/m3", "°C": "degC", "°F": "degF", "°R": "degR"}
)
_NAMES = sorted(
    {
        unicodedata.normalize("NFKC", name)
        for units in _TABLE.values()
        for names in units.values()
        for name in names.split("|")
    },
    key=len,
    reverse=True,
)


# Characters that make the name of a unit the beginning of another word: `0.88 转矩` is no speed.
_LONGER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "转": "矩速子动向角轴换",
        "分": "组析布别成",
        "方": "法向案式面",
        "支": "持架",
        "条": "线件形",
        "根": "据",
        "包": "装含",
        "升": "高温到至级压速为降起",
        "克": "服",
        "吨": "位",
        "磅": "秤",
        "焦": "点炭",
    }
)


def _end_of(name: str) -> str:
    """Return what must follow a notation: no letter, nor a digit but in `2h10min`."""
    if name in _LONGER_WORDS:
        return f"(?![{_LONGER_WORDS[name]}])"
    if not (name[-1].isascii() and name[-1].isalpha()):
        return ""
    return r"(?![A-Za-z])" if name in ("h", "min") else r"(?![A-Za-z0-9])"


UNIT_PATTERN = (
    rf"(?P<unit>(?:(?:{COMPOSED_PATTERN})(?![A-Za-z0-9])|"
    + "|".join(re.escape(name) + _end_of(name) for name in _NAMES)
    + rf"))(?P<each>{_PER_PIECE})?"
)
"""A unit in any notation; matches in text after NFKC, without regard to case."""


def units_of(notation: str, is_per_piece: bool) -> tuple[tuple[str, str], ...]:
    """Return the kinds and units that a notation can mean, the usual one first; empty for none."""
    found = _EXACT.get(notation) or _FOLDED.get(notation.lower(), ())
    composed = None if found else composed_unit(notation)
    if composed is not None:
        found = (composed,)
    if not is_per_piece:
        return found
    return tuple((f"{kind} per piece", f"{unit}/{PIECES}") for kind, unit in found)


def per_piece(units: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return a duration as one for each piece: what `cycle time 30 s` means."""
    return tuple(
        (f"{kind} per piece", f"{unit}/{PIECES}") for kind, unit in units if kind == "time"
    )


def kind_of(unit: str | None) -> str | None:
    """Return the kind of quantity of a column's unit; None for no unit or one not in the table."""
    if unit is None:
        return None
    symbol = _SYMBOLS.get(unit, unit)
    if symbol.endswith(f"/{PIECES}"):
        kind = _KINDS.get(symbol.removesuffix(f"/{PIECES}"))
        return None if kind is None else f"{kind} per piece"
    return _KINDS.get(symbol)
