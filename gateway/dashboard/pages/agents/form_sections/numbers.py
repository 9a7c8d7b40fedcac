"""Numbers in fields of a form; pure."""

import re

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,12})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def read_number(text: str) -> float | str:
    """Return a number; anything else as it is, which the document refuses."""
    stripped = text.strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else stripped


def read_limit(text: str) -> float | str | None:
    """Return a number that may be missing: None for an empty field."""
    return read_number(text) if text.strip() else None


def read_count(text: str) -> int | str:
    """Return a whole number, 0 for an empty field; anything else as it is."""
    stripped = text.strip() or "0"
    return int(stripped) if _WHOLE.fullmatch(stripped) else stripped


def number_text(value: object) -> str:
    """Return a number as people write it: `12000`, `0.05`; empty for None."""
    if value is None:
        return ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.15g}" if is_number else str(value)
