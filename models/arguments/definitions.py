"""Values that a term of the field defines: nobody writes `reliability 90 %` beside `L10`.

The designation of a bearing (ISO 15, DIN 623-1) defines its rolling elements.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from models.arguments.values import Reading, Source
from models.signature import InputField

# ISO 281: L10 is the life that 90 % of the bearings reach, without a factor for the conditions.
_BASIC_LIFE = re.compile(
    r"(?<![A-Za-z])(?:[LB]10h?|Lh10)(?![A-Za-z0-9])|basic rating life|基本额定寿命", re.IGNORECASE
)
_DEFINED: Mapping[str, tuple[re.Pattern[str], float]] = MappingProxyType(
    {"reliability": (_BASIC_LIFE, 90.0), "a_iso": (_BASIC_LIFE, 1.0)}
)


def defined_value(text: str, field: InputField) -> Reading | None:
    """Return the value that a term in the text defines for a column, None if there is none."""
    entry = _DEFINED.get(field.name)
    match = None if entry is None else entry[0].search(text)
    if entry is None or match is None:
        return None
    return Reading(field.name, entry[1], match[0], Source.DEFINITION)


# Series by their first digits: 60 to 64, 16, 618 and 619 deep groove, 7 angular contact, 12, 13, 22
# and 23 with four digits self-aligning ball; N and its forms, 30 to 33 and 213, 22x to 24x rollers.
_BALLS = r"6[0-4]\d{2}|16\d{3}|61[89]\d{2}|7[0-4]\d{2}|[12][23]\d{2}"
_ROLLERS = r"N[JUF]?P?\d{3,4}|3[0-3]\d{3}|213\d{2}|2[234][0-3]\d{2}|HK\d{4}|NA\d{4}"
_BESIDE = r"(?:bearings?|brgs?|轴承)\s*(?:no\.?|type|型号)?\s*(?:是|为|:)?\s*"
_DESIGNATIONS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        value: re.compile(
            rf"{_BESIDE}(?:{codes})(?![\d.])|(?<![\w.])(?:{codes})(?![\d.])[\w-]{{0,6}}\s*"
            r"(?:(?:deep.groove|roller|ball)\s*)*(?:bearings?|brgs?|轴承)",
            re.IGNORECASE,
        )
        for value, codes in (("ball", _BALLS), ("roller", _ROLLERS))
    }
)
_ELEMENTS = "bearing"


def defined_choice(text: str, field: InputField) -> Reading | None:
    """Return the rolling elements that a bearing's designation defines, None without one."""
    if field.name != _ELEMENTS or not field.values:
        return None
    found = {
        value: match
        for value, pattern in _DESIGNATIONS.items()
        if value in field.values and (match := pattern.search(text)) is not None
    }
    if len(found) != 1:
        return None
    value, match = next(iter(found.items()))
    return Reading(field.name, value, match[0].strip(), Source.DEFINITION)
