"""Rewrite assignments so that names are words and units stand behind their numbers.

`planned_busy=480` becomes `planned busy=480`, `torque_Nm: 45` and `torque [Nm]: 45` become
`torque: 45 Nm`.
"""

import re

from models.arguments.quantities import is_unit

_NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
# A number that no unit follows, and no other number of a list.
_BARE = rf"(?P<number>{_NUMBER})(?![\d.,]*\d)(?!\s?[A-Za-z%°/·μ一-鿿])(?!\s*[,;、/|]?\s*[-+]?\d)"
_SIGN = r"(?P<sign>\s*[=:]\s*)"
_NAME = re.compile(
    r"(?<![A-Za-z0-9_.])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?=\s*[=:]\s*[-+]?[\d\"'])"
)
_SUFFIX = re.compile(
    rf"(?<![A-Za-z0-9_.])(?P<stem>[A-Za-z][A-Za-z0-9_]*?)_(?P<unit>[A-Za-z0-9_]{{1,12}}){_SIGN}{_BARE}"
)
_AFTER = re.compile(
    rf"(?<![\d.,])(?P<number>{_NUMBER})\s*(?P<word>[A-Za-z./]{{1,12}}|单位)?\s*\((?P<unit>[^()\s\d]{{1,8}})\)",
    re.IGNORECASE,
)
_BRACKETS = re.compile(
    rf"\s?[(\[](?P<unit>[^()\[\]\s]{{1,12}})[)\]](?P<sign>\s*(?:[=:]|is|为|是)?\s*){_BARE}"
)


def with_plain_assignments(text: str) -> str:
    """Return a normalized text with its assignments rewritten."""
    text = _AFTER.sub(_from_after, _SUFFIX.sub(_from_suffix, text))
    text = _BRACKETS.sub(_from_brackets, text)
    return _NAME.sub(lambda match: match[0].replace("_", " "), text)


def _from_after(match: "re.Match[str]") -> str:
    """Return `38700 units (kWh)` as `38700 kWh`."""
    is_known = match["word"] not in (None, "units", "unit", "单位") and is_unit(match["word"])
    if is_known or not is_unit(match["unit"]):
        return match[0]
    return f"{match['number']} {match['unit']}"


def _from_suffix(match: "re.Match[str]") -> str:
    """Return an assignment whose name ends with a unit, with the unit behind its number."""
    words = [*match["stem"].split("_"), *match["unit"].split("_")]
    for count in range(min(3, len(words) - 1), 0, -1):
        unit = " ".join(words[-count:])
        is_per = words[-count - 1].lower() == "per"  # `ideal_cycle_per_piece`
        if is_unit(unit) and not is_per:
            return f"{'_'.join(words[:-count])}{match['sign']}{match['number']} {unit}"
    return match[0]


def _from_brackets(match: "re.Match[str]") -> str:
    """Return a number whose name has a unit in brackets, with the unit behind it."""
    if not is_unit(match["unit"]):
        return match[0]
    return f"{match['sign'] or ' '}{match['number']} {match['unit']}"
