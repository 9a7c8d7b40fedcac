"""The unit of times that a text states once for all of them: `all times in seconds`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from models.arguments.lexicon import find_cues
from models.arguments.notations import kind_of
from models.arguments.quantities import Quantity, stated_units
from models.signature import InputField

_STATED = re.compile(
    r"\b(?:all )?times? (?:are |is |all |given |values )*in "
    r"(?P<unit>seconds|secs?|s|minutes|mins?|hours|h)\b"
    r"|时间(?:的)?(?:单位)?(?:都|均|统一)?(?:是|为|用|按|以|:)\s*(?P<chinese>秒|分钟|分|小时)(?!\d)",
    re.IGNORECASE,
)
_KINDS = ("time", "time per piece")
_BESIDE = 4


def with_stated_times(
    text: str, fields: Sequence[InputField], quantities: tuple[Quantity, ...]
) -> tuple[Quantity, ...]:
    """Return the quantities, with the stated unit for bare numbers beside the name of a time."""
    match = _STATED.search(text)
    if match is None:
        return quantities
    units = stated_units(match["unit"] or match["chinese"])
    times = tuple(one for one in fields if kind_of(one.unit) in _KINDS)
    ends = {end for cue in find_cues(text, times) for end in range(cue.end, cue.end + _BESIDE)}
    return tuple(
        replace(one, units=units) if not one.units and one.start in ends else one
        for one in quantities
    )
