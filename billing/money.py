"""Money: integers with a currency, and the one rounding.

Owns nano-units (10^-9 of a currency's major unit: unit prices and running cost), minor units
(what an invoice says), the steps between them, and dividing an amount without losing a cent. No
float, and no arithmetic across currencies.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_AMOUNT = re.compile(r"\d{1,10}(\.\d{1,9})?", re.ASCII)
NANO = 1_000_000_000
PPM = 1_000_000  # rates are in parts per million: a percent is 10,000

# ISO 4217 exponents other than 2, of the currencies that are in use.
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
    """An amount in minor units (cents, fen), as it stands on an invoice."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        # bool is an int to Python, and True yuan is nobody's meaning.
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")

    def __str__(self) -> str:
        return f"{minor_text(self.minor, self.currency)} {self.currency}"


def currency_exponent(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217): 2 for CNY, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def require_currency(text: str) -> str:
    """An ISO 4217 code. Raises ValueError."""
    if re.fullmatch("[A-Z]{3}", text) is None:
        raise ValueError("a currency is its ISO 4217 code, as CNY")
    return text


def rounded(amount: Fraction) -> int:
    """The nearest integer, half away from zero: the only rounding of money."""
    whole, rest = divmod(abs(amount.numerator), amount.denominator)
    nearest = whole + (2 * rest >= amount.denominator)
    return nearest if amount >= 0 else -nearest


def round_to_minor(nano: int, currency: str) -> Money:
    """A running cost in minor units."""
    return Money(rounded(Fraction(nano, nano_per_minor(currency))), currency)


def nano_per_minor(currency: str) -> int:
    """Nano-units in one minor unit: 10,000,000 in a fen."""
    return int(Decimal(NANO).scaleb(-currency_exponent(currency)))


def allocate(minor: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount by weights so that the parts add up to it, by largest remainders.

    Of equal remainders the earlier gets more. Where all weights are zero the first gets all.
    Raises ValueError where there are no parts at all.
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
    """A running cost as an exact decimal of the major unit: 1234 gives `0.000001234`."""
    whole, rest = divmod(abs(nano), NANO)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}"


def minor_text(minor: int, currency: str) -> str:
    """An amount as an exact decimal without its currency: 1234 fen gives `12.34`."""
    exponent = currency_exponent(currency)
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"


def minor_from_text(text: str, currency: str) -> int:
    """The reverse of `minor_text`. Raises ValueError for what is finer than a minor unit."""
    nano, unit = nano_from_text(text), nano_per_minor(currency)
    if nano % unit:
        raise ValueError(f"{currency} has {currency_exponent(currency)} decimal places")
    return nano // unit


def nano_from_text(text: str) -> int:
    """The reverse of `nano_text`, for amounts that people and programs write.

    Raises ValueError for what is no plain decimal, is negative, or finer than a nano-unit.
    """
    if not _AMOUNT.fullmatch(text):
        raise ValueError("an amount is a plain decimal with at most 9 places, as 12.50")
    return int(Decimal(text).scaleb(9))
