"""The energy between two readings of a meter: `start of the month 20815, end 24310`."""

import re
from collections.abc import Sequence

from models.arguments.conversion import is_in_range, value_in
from models.arguments.quantities import Quantity, first_index
from models.arguments.values import Reading, Source
from models.signature import InputField

_COLUMN = "energy"
_FIRST = re.compile(
    r"(?:月初|期初|年初|起码|起始|上次(?:抄表)?"
    r"|\b(?:first|start|beginning) of (?:the )?(?:month|week|shift|year)"
    r"|\bopening|\bstart)[^\d\n;。]{0,24}$",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"(?:月底|月末|期末|年底|止码|终止|本次(?:抄表)?"
    r"|\b(?:last|end) of (?:the )?(?:month|week|shift|year)"
    r"|\bclosing|\bend)[^\d\n;。]{0,24}$",
    re.IGNORECASE,
)
_REACH = 60


def read_meter(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> tuple[Reading, frozenset[int]] | None:
    """Return the energy between two readings and the indices of both, None without both."""
    field = next((one for one in fields if one.name == _COLUMN), None)
    first, last = (_index(text, words, quantities) for words in (_FIRST, _LAST))
    if field is None or first is None or last is None:
        return None
    start, end = (value_in(quantities[index], field) for index in (first, last))
    if start is None or end is None or not is_in_range(end - start, field):
        return None
    shown = f"{quantities[last].text} - {quantities[first].text}"
    value = float(f"{end - start:.9g}")
    return Reading(_COLUMN, value, shown, Source.DEFINITION), frozenset({first, last})


def _index(text: str, words: re.Pattern[str], quantities: Sequence[Quantity]) -> int | None:
    """Return the index of the first quantity after these words, None without one."""
    return first_index(
        quantities, lambda one: bool(words.search(text[max(0, one.start - _REACH) : one.start]))
    )
