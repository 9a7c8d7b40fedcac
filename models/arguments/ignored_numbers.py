"""Numbers of a text that are no values: ordinals, times of day, counts, what others replace."""

import re
from collections.abc import Sequence

from models.arguments.corrections import earlier_values, nameplate_values
from models.arguments.other_units import OTHER
from models.arguments.quantities import Quantity

_TAKEN_BACK = re.compile(
    r"[\s.,…-]*(?:no,|sorry\b|i mean\b|correction\b|rather,|不[,，对]|更正|应为|应该是|写错)",
    re.IGNORECASE,
)
# `66 A, not 67`, `是66安，不是67`.
_DENIED = re.compile(
    r"(?:(?:[,(;、]|\d)\s*(?:and |but )?not(?: the)?|不是|而非)\s*$", re.IGNORECASE
)
_NUMBERED = re.compile(
    r"(?:第|#|\bno\.|\bnr\.|编号|\b(?:iso|iec|din|en|gb|gb/t|astm)[ /-]?t?)\s*$", re.IGNORECASE
)
# `line 2`, `3号线`, `2nd`: names of things.
_THING = re.compile(
    r"\b(?:(?<!centre )(?<!center )(?<!central )(?<!base )line|cell|machine|press|pump|lathe"
    r"|mill|station|unit|shift|week|op"
    r"|robot|furnace|oven|compressor|motor|fan"
    r"|building|hall|plant|cw)\s+#?$",
    re.IGNORECASE,
)
_OF_THING = re.compile(r"\s?(?:号(?!码)|#)|(?:st|nd|rd|th)\b")
_MAX_THING = 1000
_CLOCK = re.compile(
    r"(?<![\d.:])\d{1,2}:\d{2}(?::\d{2})?(?![\d:])|(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"
)
# `11 points`, but not `3 samples per subgroup`.
_COUNTED = re.compile(
    r"[^\S\n]*(?:个?(?:测量)?(?:点(?!\d)|子组|数据|读数|样本|测量值)"
    r"|(?:data )?(?:points|readings|values"
    r"|samples|measurements|observations)\b)"
    r"(?!\s*(?:per|each|in (?:a|each|every|one)|at a time|一组|为一组))",
    re.IGNORECASE,
)
_ROW_NUMBER = re.compile(r"(?:^|\n)[^\S\n]*[(\[#]?$")
_AFTER_ROW_NUMBER = re.compile(r"[:)\]]+\s|\.\s(?!\n)")
_LABEL = re.compile(
    r"^[^\S\n]*(?P<label>[^\d\n,;=]{1,12}?)(?P<number>\d{1,3})(?=[ \t:]+[-+]?\d)", re.MULTILINE
)
# `the last 8 days`
_PERIOD = re.compile(r"(?:近|最近|过去|前|连续|\blast|\bpast|\bprevious)\s*$", re.IGNORECASE)
# `25H7` and `284T` are codes.
_CODE = re.compile(r"[A-Z]{1,3}\d", re.IGNORECASE)
_IN_GROUPS = re.compile(
    r"(?:每组|一组|每次|子组|subgroups? of|groups? of|sets? of)\s*$", re.IGNORECASE
)


def find_ignored(text: str, quantities: Sequence[Quantity], has_series: bool) -> set[int]:
    """Return the indices of the numbers that are no values.

    Counts of points are none where the specialist takes series (`has_series`).
    """
    clocks = {place for match in _CLOCK.finditer(text) for place in range(*match.span())}
    last = len(quantities) - 1
    labels = _label_numbers(text) if has_series else frozenset()
    replaced = nameplate_values(text, quantities) | earlier_values(text, quantities)
    return replaced | {
        index
        for index, one in enumerate(quantities)
        if one.start in labels
        or (index < last and _TAKEN_BACK.match(text, one.end))
        or _is_denied_or_numbered(text[max(0, one.start - 12) : one.start])
        or one.start in clocks
        or (has_series and _is_count(text, one))
        or _is_row_number(text, one)
        or _is_period(text, one)
        or _is_name(text, one)
        or (one.units[:1] and one.units[0][0] == OTHER and _CODE.fullmatch(one.units[0][1]))
    }


def _is_period(text: str, quantity: Quantity) -> bool:
    """Return whether a number of days or hours says how far back something goes."""
    is_time = any(kind == "time" for kind, _ in quantity.units)
    before = text[max(0, quantity.start - 10) : quantity.start]
    return is_time and _PERIOD.search(before) is not None


def _label_numbers(text: str) -> frozenset[int]:
    """Return the places of numbers of lines that begin alike: `组1 50.3 49.8`, `组2 50.6 50.2`."""
    labels: dict[str, list[re.Match[str]]] = {}
    for match in _LABEL.finditer(text):
        labels.setdefault(match["label"], []).append(match)
    return frozenset(
        match.start("number") for found in labels.values() if len(found) > 1 for match in found
    )


def _is_name(text: str, quantity: Quantity) -> bool:
    """Return whether a whole number without a unit belongs to the name of a machine."""
    if not text[quantity.start : quantity.number_end].isdigit() or quantity.value >= _MAX_THING:
        return False
    if _OF_THING.match(text, quantity.number_end):
        return True
    before = text[max(0, quantity.start - 12) : quantity.start]
    return not quantity.units and _THING.search(before) is not None


def _is_row_number(text: str, quantity: Quantity) -> bool:
    """Return whether a whole number at the start of a line numbers it: `3) `, `2: `."""
    before = text[max(0, quantity.start - 4) : quantity.start]
    is_start = quantity.start < 1 or _ROW_NUMBER.search(before) is not None
    is_whole = not quantity.units and text[quantity.start : quantity.end].isdigit()
    return is_start and is_whole and _AFTER_ROW_NUMBER.match(text, quantity.end) is not None


def _is_denied_or_numbered(before: str) -> bool:
    """Return whether the text before a number makes it one that is not meant, or an ordinal."""
    return bool(_DENIED.search(before) or _NUMBERED.search(before))


def _is_count(text: str, quantity: Quantity) -> bool:
    """Return whether a whole number says how many points there are."""
    if quantity.value % 1 or not _COUNTED.match(text, quantity.number_end):
        return False
    return not _IN_GROUPS.search(text[max(0, quantity.start - 16) : quantity.start])
