"""Money as integers: conversion, rounding, allocation, parsing and formatting.

Unit prices and running costs are nano-units (10^-9 of the major unit), invoices are in minor units
(ISO 4217). No floats, and no arithmetic across currencies.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from infra.sentences import sentence

_AMOUNT = re.compile(r"\d{1,10}(\.\d{1,9})?", re.ASCII)
NANO = 1_000_000_000
PPM = 1_000_000  # rates are in parts per million: a percent is 10,000

# ISO 4217 exponents other than 2, of active currencies.
_EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    "CLF": 4,
    "UYW": 4,
}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, fen) with its currency."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        # Rejects bool, which is a subclass of int.
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")

    def __str__(self) -> str:
        return f"{minor_text(self.minor, self.currency)} {self.currency}"


def currency_exponent(currency: str) -> int:
    """Return a currency's decimal places (ISO 4217): 2 for CNY, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def require_currency(text: str) -> str:
    """Return the text if it has the form of an ISO 4217 code. Raises ValueError."""
    if re.fullmatch("[A-Z]{3}", text) is None:
        raise ValueError(sentence("must be an ISO 4217 code such as CNY"))
    return text


def rounded(amount: Fraction) -> int:
    """Round to the nearest integer, half away from zero: the only rounding of money."""
    quotient, remainder = divmod(abs(amount.numerator), amount.denominator)
    nearest = quotient + (2 * remainder >= amount.denominator)
    return nearest if amount >= 0 else -nearest


def round_to_minor(nano: int, currency: str) -> Money:
    """Round nano-units to minor units."""
    return Money(rounded(Fraction(nano, nano_per_minor(currency))), currency)


def nano_per_minor(currency: str) -> int:
    """Return the nano-units in one minor unit: 10,000,000 for CNY."""
    return int(Decimal(NANO).scaleb(-currency_exponent(currency)))


def allocate(minor: int, weights: Sequence[int]) -> list[int]:
    """Divide minor units by weights so that the parts add up (largest remainder method).

    For equal remainders the earlier part gets more; if all weights are zero the first part gets
    all. Raises ValueError without weights.
    """
    if not weights:
        raise ValueError("an amount is divided into one part at least")
    total = sum(weights)
    if total == 0:
        return [minor, *[0] * (len(weights) - 1)]
    sign = -1 if minor < 0 else 1
    shares = [divmod(abs(minor) * weight, total) for weight in weights]
    parts = [whole for whole, _ in shares]
    order = sorted(range(len(shares)), key=lambda at: (-shares[at][1], at))
    for at in order[: abs(minor) - sum(parts)]:
        parts[at] += 1
    return [sign * part for part in parts]


def nano_text(nano: int) -> str:
    """Format nano-units as an exact decimal of the major unit: 1234 gives `0.000001234`."""
    major, fraction = divmod(abs(nano), NANO)
    return f"{'-' if nano < 0 else ''}{major}.{fraction:09d}"


def minor_text(minor: int, currency: str) -> str:
    """Format minor units as an exact decimal without the currency: 1234 fen gives `12.34`."""
    exponent = currency_exponent(currency)
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"


def minor_from_text(text: str, currency: str) -> int:
    """Parse a decimal amount into minor units. Raises ValueError if it has too many decimals."""
    nano, unit = nano_from_text(text), nano_per_minor(currency)
    if nano % unit:
        places = currency_exponent(currency)
        raise ValueError(
            sentence(
                "{currency} amounts have {places} decimal places", currency=currency, places=places
            )
        )
    return nano // unit


def nano_from_text(text: str) -> int:
    """Parse a decimal amount into nano-units.

    Raises ValueError for anything but a non-negative plain decimal with at most 9 places.
    """
    if not _AMOUNT.fullmatch(text):
        raise ValueError(
            sentence("an amount must be a decimal number with at most 9 places, such as 12.50")
        )
    return int(Decimal(text).scaleb(9))


def ppm_from_percent(percent: str) -> int:
    """Convert a percentage such as `12.5` to parts per million. Raises ValueError."""
    ppm = Decimal(nano_from_text(percent)) * PPM / 100 / NANO
    if ppm != int(ppm):
        raise ValueError(sentence("a percentage can have at most 4 decimal places"))
    return int(ppm)
