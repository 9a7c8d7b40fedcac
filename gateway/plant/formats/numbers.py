"""Numbers in files."""

import math


def read_number(text: str) -> float | None:
    """Return a finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def number_text(number: float) -> str:
    """Return the shortest text that reads as the same number."""
    exact = float(number)
    return str(int(exact)) if exact.is_integer() and abs(exact) < 1e15 else repr(exact)
