"""Texts that stand for a missing value in a cell."""

# Words that stand for a missing value, in the compared form.
_MISSING = frozenset(
    "nan na n/a #n/a null - -- --- ? . #div/0! #value! #ref! inf -inf missing 空 缺失".split()
)
# Words that say so among numbers only: as a class, `none` is the one without a fault.
_MISSING_NUMBERS = _MISSING | frozenset("none nil unknown 无 未知".split())


def is_missing(text: str) -> bool:
    """Return whether a text stands for a missing number or time."""
    return not text or text.lower() in _MISSING_NUMBERS


def is_missing_category(text: str) -> bool:
    """Return whether a text stands for a missing value among categories and texts."""
    return not text or text.lower() in _MISSING
