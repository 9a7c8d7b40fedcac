"""Dates with the name of their month, in English or German, rewritten with its number."""

import re
from collections.abc import Mapping

from models.tables.date_numbers import full_year

_MONTHS: Mapping[str, int] = {
    "january": 1, "januar": 1, "february": 2, "februar": 2, "march": 3, "märz": 3, "april": 4,
    "may": 5, "mai": 5, "june": 6, "juni": 6, "july": 7, "juli": 7, "august": 8, "september": 9,
    "october": 10, "oktober": 10, "november": 11, "december": 12, "dezember": 12,
}  # fmt: skip
_ABBREVIATIONS: Mapping[str, int] = {
    **{name[:3]: month for name, month in _MONTHS.items()},
    "sept": 9,
    "mrz": 3,
}
_NAME = r"(?P<name>[a-zä]{3,9})\.?"
# Two digits after the name itself, as in `10MAR24`, are rather the number of a part.
_YEAR = r"(?P<year>\d{4}|(?<=[\s,/-])\d{2})(?!\d)(?P<rest>(?:[T\s,].*)?)"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so)[a-z]*\.?,?\s+)?"
_DAY_FIRST = re.compile(
    rf"{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?(?:[\s/-]+|(?<=\.))?{_NAME}[\s,/-]*{_YEAR}",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"{_WEEKDAY}{_NAME}[\s/-]+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s,/-]+{_YEAR}", re.IGNORECASE
)
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})[\s,./-]+{_NAME}[\s,/-]*(?P<day>\d{{1,2}})(?!\d)(?:st|nd|rd|th)?"
    r"(?P<rest>(?:[T\s,].*)?)",
    re.IGNORECASE,
)


def with_month_number(text: str) -> str | None:
    """Return `12 March 2024 08:15`, `Mar 12, 2024` or `2024-Mar-12` as `2024-3-12…`.

    None for other texts.
    """
    match = _match(text)
    if match is None:
        return None
    name = match["name"].lower()
    month = _MONTHS.get(name, _ABBREVIATIONS.get(name))
    if month is None:
        return None
    return f"{full_year(match['year'])}-{month}-{match['day']}{match['rest']}"


def has_short_year(text: str) -> bool:
    """Return whether a date with the name of its month has two digits of the year."""
    match = _match(text)
    return match is not None and len(match["year"]) == 2


def _match(text: str) -> re.Match[str] | None:
    """Return the match of a text that looks like a date with a name, None for others."""
    forms = (_DAY_FIRST, _MONTH_FIRST, _YEAR_FIRST)
    return next((match for form in forms if (match := form.fullmatch(text)) is not None), None)
