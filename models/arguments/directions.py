"""Old and new value of one quantity: `from 1450 to 1200 rpm`, `flow at 1700 rpm if … at 1450 rpm`.

Only words right beside a number count; other numbers are left to the words that name columns.
"""

import re
from collections.abc import Sequence

from models.arguments.leftovers import OTHER_COUNT
from models.arguments.quantities import Quantity

_TO = re.compile(
    r"(?:(?<!compared )(?<!relative )\b(?:up |down |over )?to(?: about| only| just| around)?"
    r"|[变改降调提升减开转](?:速|频|低|高|整|慢|快)?[为成到至]"
    r"|\bnow(?: at)?|(?<=[A-Za-z]) ?到|→|->|=>)\s*$",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"(?:\bfrom|\btoday|\bcurrently|\bat present|\bin place of|\binstead of"
    r"|\bpreviously|\bformerly|\bbase point"
    r"|\bold(?: one| speed)?|\boriginally|从|由|现在|目前|原来|原先|之前|基准点|现)"
    r"\s*(?:is|runs?|running|turns|运行|为|是|在|:)?\s*(?:at)?\s*$",
    re.IGNORECASE,
)
_ASKED_AT = re.compile(r"\b(?:what|how)\b[^.;:?\d]{0,60}\bat\s*$", re.IGNORECASE)
_AT = re.compile(r"\bat\s*$", re.IGNORECASE)
_IF = re.compile(r"\s*(?:,\s*)?(?:if|when|given)\b", re.IGNORECASE)
_REACH = 72
_OF_FREQUENCY = re.compile(r"\s*(?:的|,|\(|/|、|=|or|i\.e\.|and)?\s*")


_LEADS_TO = re.compile(r"\s*(?:to|→|->|=>)\s*", re.IGNORECASE)


def find_bare_pair(text: str, quantities: Sequence[Quantity]) -> tuple[int, int] | None:
    """Return the first two numbers without units of which one leads to the other: `2950→2700`."""
    for index in range(len(quantities) - 1):
        first, second = quantities[index], quantities[index + 1]
        is_joined = _LEADS_TO.fullmatch(text, first.end, second.start) is not None
        if is_joined and not first.units and not second.units:
            return index, index + 1
    return None


def find_directed(text: str, quantities: Sequence[Quantity]) -> tuple[list[int], list[int]]:
    """Return the indices of the quantities that are old values, and of those that are new ones."""
    old, new = [], []
    for index, one in enumerate(quantities):
        before = text[max(0, one.start - _REACH) : one.start]
        is_asked = _AT.search(before) and _IF.match(text, one.end)
        if _TO.search(before) or is_asked or _ASKED_AT.search(before):
            new.append(index)
        elif _FROM.search(before):
            old += [index, *_speed_of_frequency(text, quantities, index)]
    return old, new


def _speed_of_frequency(text: str, quantities: Sequence[Quantity], index: int) -> list[int]:
    """Return the speed that stands beside a frequency: 1450 rpm of `from 50 Hz, 1450 rpm`."""
    if index + 1 == len(quantities) or all(
        unit != OTHER_COUNT for _, unit in quantities[index].units
    ):
        return []
    following = quantities[index + 1]
    is_joined = _OF_FREQUENCY.fullmatch(text, quantities[index].end, following.start)
    return [index + 1] if is_joined else []
