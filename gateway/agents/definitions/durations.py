"""Durations in words: `30s`, `10m`, `8h`, `7d`."""

import re

_FORM = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class DurationInvalid(ValueError):
    """A text that is no duration."""


def parse_duration(text: str) -> float:
    """Return the seconds of a duration above 0. Raises DurationInvalid."""
    match = _FORM.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise DurationInvalid("must be a duration such as `30s`, `10m`, `8h` or `7d`.")
    return float(match[1]) * _SECONDS[match[2]]


def format_duration(seconds: float) -> str:
    """Return seconds as the duration with the largest unit that divides them."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s"
