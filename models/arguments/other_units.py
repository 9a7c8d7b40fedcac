"""Units that the notations do not have: a number with one is no value in a column's own unit.

Without them `65 kVA` would be read as the bare number 65, and sent in the unit of the column.
"""

import re

from models.units import UnitUnknown, to_pint_expression

OTHER = "other"
"""The kind of quantity of a unit that the notations do not have."""

# What models/units.py does not know, and nothing converts.
_NAMES = (
    "Ω|kΩ|MΩ|ohms|ohm|dBA|dB|ppm|ppb|‰|lux|lx|cSt|cP|mPa·s|Pa·s|kVA|MVA|VA|kvar|Mvar|kcal|cal|BTU"
    "|ozf|oz|ounces|ounce|oz-in|in-oz|ozf-in|in-ozf|psig|barg|bara|inHg|mmHg|atm|mmH2O|torr|kip|kips"
    "|Nm3/h|Nm3/min|Nl/min|SLPM|scfm|SCFM|HRC|μF|nF|pF|kHz|MHz|GHz|mol|mT"
    "|欧姆|千欧|兆欧|欧|分贝|千伏安|千乏|千卡|弧度|平方米|平方厘米|平方毫米|斤|盎司|丝|千赫|兆赫|毫特"
)
_KNOWN = frozenset(name.casefold() for name in _NAMES.split("|"))
# Names of units that are words of a sentence.
_WORDS = frozenset({"in", "ins", "us"})
_FACTOR = r"[A-Za-zμ°Ω]{1,12}(?:\^?-?[1-4](?![0-9]))?"
_SPACED = re.compile(
    rf"[^\S\n]?-?(?P<unit>(?:1/)?{_FACTOR}(?:[*·⋅/-]{_FACTOR}){{0,3}}|‰)(?![A-Za-z0-9μΩ])"
)
_CHINESE = re.compile(
    rf"[^\S\n]?(?P<unit>{'|'.join(n for n in _NAMES.split('|') if n[0] >= '一')})(?![洲杠])"
)
# Letters right beside a number are its unit or part of a code: `65cNmx`, `6205ZZ`, `3^2`.
_ATTACHED = re.compile(r"(?P<unit>[A-Za-zμ][A-Za-z0-9μ·*/^-]{1,23}|\^[-+]?\d{1,3})")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
# What makes a unit another one: `千瓦/小时`.
_PER = re.compile(r"\s?/\s?(?:小时|分钟?|秒钟?|天|平方米|立方米|吨|千克|公斤)")


def other_unit(text: str, number_end: int, unit_end: int) -> tuple[str, int] | None:
    """Return a unit that the notations do not have and where it ends, None for none.

    number_end: where the digits end; unit_end: where the notation after them ends, or `number_end`.
    A unit is also one that goes on after a notation: `W/m2`, `°C/h`, `N·m2`.
    """
    for pattern in (_SPACED, _CHINESE):
        match = pattern.match(text, number_end)
        if match is not None and match.end() > unit_end and _is_unit(match["unit"]):
            return match["unit"], match.end()
    if unit_end > number_end:
        longer = _PER.match(text, unit_end)
        return None if longer is None else (text[number_end : longer.end()].strip(), longer.end())
    match = _ATTACHED.match(text, number_end)
    if match is None or _ORDINAL.match(text, number_end):
        return None
    return match["unit"], match.end()


def _is_unit(name: str) -> bool:
    """Return whether a word is a unit: one of the names, or one that models/units.py knows."""
    if name.casefold() in _WORDS:
        return False
    return name.casefold() in _KNOWN or any(map(_is_composed, (name, name.lower())))


def _is_composed(name: str) -> bool:
    """Return whether models/units.py knows a unit of more than one letter; `L` may be a grade.

    A hyphen is a product, as in `kg-m`, but before a power: `s-1`.
    """
    try:
        to_pint_expression(name.replace("-", "*") if "-" in name[:-2] else name)
    except UnitUnknown:
        return False
    return len(name) > 1
