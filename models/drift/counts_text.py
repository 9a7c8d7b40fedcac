"""Counts as a short text, for a header of a response: slots with rows, in base 36.

`3,1*2,4`: slot 3 has one row, slot 4 has two, slot 8 one. Each slot is written as its distance from
the last one, and counts above one follow an asterisk.
"""

import re
from collections.abc import Mapping, Sequence

HEADER = "x-maas-input-bins"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE = 36
# Slots and counts that are accepted; the most a model has is about a quarter of it.
_MAX_SLOTS = 4096
_MAX_COUNT = 1 << 20
_TEXT = re.compile(r"[0-9a-z]{1,4}(?:\*[0-9a-z]{1,5})?(?:,[0-9a-z]{1,4}(?:\*[0-9a-z]{1,5})?)*")


def format_counts(counts: Sequence[int]) -> str:
    """Return counts as a text."""
    parts, last = [], 0
    for slot, count in enumerate(counts):
        if count:
            distance = _to_base(slot - last)
            parts.append(distance if count == 1 else f"{distance}*{_to_base(int(count))}")
            last = slot
    return ",".join(parts)


def parse_counts(text: str) -> Mapping[int, int]:
    """Return the counts of slots with rows. Raises ValueError for any other text."""
    if not _TEXT.fullmatch(text):
        raise ValueError("not a text of counts")
    counts: dict[int, int] = {}
    slot = 0
    for part in text.split(","):
        distance, _, count = part.partition("*")
        slot += int(distance, _BASE)
        counts[slot] = int(count or "1", _BASE)
        if slot >= _MAX_SLOTS or counts[slot] > _MAX_COUNT:
            raise ValueError("too many slots or rows")
    return counts


def _to_base(number: int) -> str:
    """Return a number that is not negative in base 36."""
    digits = ""
    while True:
        number, digit = divmod(number, _BASE)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
