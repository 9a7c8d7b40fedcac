"""Values that a term of the field defines: nobody writes `reliability 90 %` beside `L10`."""

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
