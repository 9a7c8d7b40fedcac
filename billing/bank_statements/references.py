"""Finds invoice numbers in remittance texts, as people type them. Pure.

`MAAS-000012` is also found as `maas 000012`, `MAAS000 012` or `MAAS-12`, in full-width characters,
and with the letters O, I and L for the digits 0 and 1.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

DIGITS = 6  # of an invoice number (billing/invoices/numbering.py)
_SEPARATORS = r"[\s\-_.:#/,~–—]*"
_LOOK_ALIKE = str.maketrans("OIL", "011")
_GAPS = re.compile(r"[\s\-_.]+")
InvoiceName = tuple[str, int]  # code of the legal entity, number


@dataclass(frozen=True, slots=True)
class ReferencePatterns:
    """The patterns that find the numbers of legal entities' invoices."""

    by_code: Mapping[str, re.Pattern[str]]


def build_patterns(codes: Collection[str]) -> ReferencePatterns:
    """Return the patterns for legal entities' codes."""
    return ReferencePatterns({code: _pattern(code) for code in codes})


def find_references(patterns: ReferencePatterns, text: str) -> list[list[InvoiceName]]:
    """Return what each reference in a text can mean, the most literal meaning first."""
    normal = unicodedata.normalize("NFKC", text).upper()
    return [
        [(code, number) for number in _readings(found[1])]
        for code, pattern in patterns.by_code.items()
        for found in pattern.finditer(normal)
    ]


def _pattern(code: str) -> re.Pattern[str]:
    """Return the pattern of a code with separators within and after it, and digits in groups."""
    letters = r"[\s\-_.]*".join(code)
    return re.compile(
        rf"(?<![A-Z0-9]){letters}{_SEPARATORS}([0-9OIL]*\d[0-9OIL]*(?:[\s\-_.]{{1,2}}[0-9OIL]+)*)"
    )


def _readings(run: str) -> list[int]:
    """Return the numbers that a run of digit groups can mean.

    Groups are joined until there are six digits; of a longer first group, the first six count too,
    because something else may follow without a space.
    """
    numbers: list[int] = []
    joined = ""
    for group in _GAPS.split(run.translate(_LOOK_ALIKE)):
        joined += group
        numbers.append(int(joined[:18]))
        if len(joined) > DIGITS:
            numbers.append(int(joined[:DIGITS]))
        if len(joined) >= DIGITS:
            break
    return list(dict.fromkeys(number for number in numbers if number > 0))
