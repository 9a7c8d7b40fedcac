"""Quantities in text: numbers with units in English, Chinese or symbols, and their comparison.

Units are converted by pint (models/units.py), so 0.5 MPa equals 5 bar. A unit outside its
vocabulary must be written in the same way on both sides.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from models.units import Conversion, UnitMismatch, UnitUnknown, unit_conversion

# Conversions to three significant digits differ by at most 0.5 %.
DEFAULT_TOLERANCE = 0.005
# Floating-point error of a conversion.
_EPSILON, _MIN_ROUNDING = 1e-9, 1e-12
# An answer with more numbers is not a figure; each new unit costs milliseconds.
_MAX_QUANTITIES = 40
# Of a single quantity; matching a whole text takes the square of its length.
_MAX_LENGTH = 80
_UNIT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        # Chinese
        "兆帕": "MPa",
        "千帕": "kPa",
        "帕斯卡": "Pa",
        "帕": "Pa",
        "巴": "bar",
        "毫米": "mm",
        "厘米": "cm",
        "微米": "µm",
        "千米": "km",
        "公里": "km",
        "米": "m",
        "平方毫米": "mm2",
        "平方米": "m2",
        "立方米": "m3",
        "千克": "kg",
        "公斤": "kg",
        "克": "g",
        "吨": "t",
        "毫秒": "ms",
        "秒钟": "s",
        "秒": "s",
        "分钟": "min",
        "分": "min",
        "小时": "h",
        "天": "d",
        "摄氏度": "°C",
        "华氏度": "°F",
        "牛顿": "N",
        "千牛": "kN",
        "牛米": "Nm",
        "牛·米": "Nm",
        "牛": "N",
        "千瓦时": "kWh",
        "兆瓦": "MW",
        "千瓦": "kW",
        "瓦": "W",
        "千焦": "kJ",
        "兆焦": "MJ",
        "焦耳": "J",
        "千伏": "kV",
        "毫伏": "mV",
        "伏特": "V",
        "伏": "V",
        "毫安": "mA",
        "安培": "A",
        "安": "A",
        "赫兹": "Hz",
        "毫升": "mL",
        "升": "L",
        "转": "r",
        "件": "pcs",
        "马力": "PS",
        # English
        "percent": "%",
        "hours": "h",
        "hour": "h",
        "hrs": "h",
        "hr": "h",
        "minutes": "min",
        "minute": "min",
        "mins": "min",
        "seconds": "s",
        "second": "s",
        "secs": "s",
        "sec": "s",
        "days": "d",
        "day": "d",
        "degrees celsius": "°C",
        "degree celsius": "°C",
        "millimetres": "mm",
        "millimeters": "mm",
        "metres": "m",
        "meters": "m",
        "litres": "L",
        "liters": "L",
        "kilowatts": "kW",
        "volts": "V",
        "amperes": "A",
        "amps": "A",
        "hertz": "Hz",
        "inches": "in",
        "inch": "in",
        "feet": "ft",
        "pieces": "pcs",
        "rev/min": "r/min",
    }
)
_MULTIPLIERS: Mapping[str, int] = MappingProxyType({"万": 10**4, "亿": 10**8})
_MINUS_SIGNS = str.maketrans({"−": "-", "–": "-"})
_NAMES = "|".join(re.escape(name) for name in sorted(_UNIT_NAMES, key=len, reverse=True))
_CHINESE_NAMES = "|".join(
    re.escape(name) for name in sorted(_UNIT_NAMES, key=len, reverse=True) if not name.isascii()
)
# `in` before a word is a preposition.
_SYMBOL = r"(?:(?!in\s+[A-Za-z])°?[A-Za-zµμΩ]+(?:\^?-?[1-4](?![\d.]))?|%|‰|°)"
_UNIT = (
    rf"(?:(?:{_CHINESE_NAMES})(?:\s*[/每]\s*(?:{_CHINESE_NAMES}))?"
    rf"|(?i:degrees? celsius)"
    rf"|{_SYMBOL}(?:[·⋅*/]{_SYMBOL})*)"
)
# Not inside a name or code, as `M12` and `P-101`; a hyphen between two numbers is no sign.
_NUMBER = (
    r"(?<![A-Za-z0-9_.])(?<![A-Za-z]-)(?:(?<![\d)])[-+])?"
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,30})(?:\.\d{1,30})?"
)
_EXPONENT = (
    r"(?:[eE](?P<e>[-+]?\d{1,2})(?![A-Za-z\d])"
    r"|\s*[x×*]\s*10(?:\^|\*\*)(?P<power>[-+]?\d{1,2}))?"
)
_QUANTITY = re.compile(
    rf"(?P<number>{_NUMBER}){_EXPONENT}\s*(?P<many>[万亿])?\s*(?P<unit>{_UNIT})?"
)
# NFKC would make `105` of `10⁵`.
_SUPERSCRIPT = re.compile(r"(?<=10)[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, empty for none, as it was written in `text`."""

    value: float
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The allowed difference: a share of the expected value, or an amount in a unit.

    An amount without a unit is in the expected value's unit.
    """

    share: float | None = None
    amount: Quantity | None = None


def parse_quantity(text: str) -> Quantity | None:
    """Return the quantity that the whole text is, or None if it is anything else."""
    if len(text) > _MAX_LENGTH:
        return None
    prepared = _prepare(text).strip()
    found = _QUANTITY.fullmatch(prepared)
    return None if found is None else _to_quantity(found)


def parse_tolerance(text: str) -> Tolerance | None:
    """Parse `2%`, `0.05` or `0.1 bar`, also with `±`. Returns None for anything else."""
    quantity = parse_quantity(text.strip().removeprefix("±"))
    if quantity is None or quantity.value < 0:
        return None
    if quantity.unit == "%":
        return Tolerance(share=quantity.value / 100)
    return Tolerance(amount=quantity)


def find_quantities(text: str) -> Iterator[Quantity]:
    """Yield the quantities in a text in their order, at most 40."""
    for number, found in enumerate(_QUANTITY.finditer(_prepare(text))):
        if number == _MAX_QUANTITIES:
            return
        yield _to_quantity(found)


def is_known_unit(unit: str) -> bool:
    """Return whether a unit can be converted; an empty one means a plain number."""
    return not unit or _try_conversion(unit, unit) is not None


def first_of_kind(text: str, expected: Quantity) -> Quantity | None:
    """Return the first quantity in the text whose unit converts to the expected one.

    A word after a number that is not a unit is ignored: `4 bolts` is the number 4. Returns None if
    there is none.
    """
    for quantity in find_quantities(text):
        unit = quantity.unit
        if not expected.unit and unit not in ("", "%", "‰") and not is_known_unit(unit):
            return Quantity(quantity.value, "", quantity.text)
        if find_conversion(unit, expected.unit) is not None:
            return quantity
    return None


def is_equal(answer: Quantity, expected: Quantity, tolerance: Tolerance | None) -> bool:
    """Return whether two quantities are equal within the tolerance, after conversion of the unit.

    Without a tolerance, quantities with a unit may differ by 0.5 %; plain numbers must be equal.
    """
    conversion = find_conversion(answer.unit, expected.unit)
    if conversion is None:
        return False
    value = answer.value * conversion.scale + conversion.offset
    allowed = _allowed_difference(expected, tolerance)
    rounding = max(_EPSILON * abs(expected.value), _MIN_ROUNDING)
    return abs(value - expected.value) <= allowed + rounding


def find_conversion(unit: str, target: str) -> Conversion | None:
    """Return the conversion between two units, empty for plain numbers; None if there is none.

    Equal units need not be known.
    """
    if unit == target:
        return Conversion(1.0, 0.0)
    return _try_conversion(unit or "1", target or "1")


# Unknown units are remembered too: most words after a number are none.
@lru_cache(maxsize=4096)
def _try_conversion(unit: str, target: str) -> Conversion | None:
    """Return pint's conversion, or None if a unit is unknown or of another dimension."""
    try:
        return unit_conversion(unit, target)
    except (UnitUnknown, UnitMismatch):
        return None


def _allowed_difference(expected: Quantity, tolerance: Tolerance | None) -> float:
    """Return the allowed difference in the expected quantity's unit."""
    if tolerance is None:
        return DEFAULT_TOLERANCE * abs(expected.value) if expected.unit else 0.0
    if tolerance.amount is None:
        return (tolerance.share or 0.0) * abs(expected.value)
    amount = tolerance.amount
    conversion = find_conversion(amount.unit or expected.unit, expected.unit)
    # A difference of temperatures has no offset.
    return 0.0 if conversion is None else abs(amount.value * conversion.scale)


def _prepare(text: str) -> str:
    """Return the text with NFKC, which writes `㎥` as `m3`, and one kind of minus sign."""
    powers = _SUPERSCRIPT.sub(lambda power: f"^{power[0]}", text)
    return unicodedata.normalize("NFKC", powers).translate(_MINUS_SIGNS)


def _to_quantity(found: re.Match[str]) -> Quantity:
    """Return the quantity of a match of the pattern."""
    number = float(found["number"].replace(",", ""))
    exponent = found["e"] or found["power"]
    if exponent is not None:
        number *= 10.0 ** int(exponent)
    number *= _MULTIPLIERS.get(found["many"] or "", 1)
    return Quantity(number, _to_symbol(found["unit"] or ""), found[0].strip())


def _to_symbol(unit: str) -> str:
    """Return a unit with Chinese and English names replaced by symbols."""
    folded = unit.casefold()
    if folded in _UNIT_NAMES:
        return _UNIT_NAMES[folded]
    parts = re.split(r"\s*([/每])\s*", unit)
    return "".join(
        "/" if part == "每" else _UNIT_NAMES.get(part.casefold(), part) for part in parts
    )
