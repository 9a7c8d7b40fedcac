"""Money: integers with a currency, and the one rounding.

Owns nano-units (10^-9 of a currency's major unit: unit prices and running cost), minor units
(what an invoice says) and the step between them. No float, and no arithmetic across currencies.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

_AMOUNT = re.compile(r"\d{1,10}(\.\d{1,9})?", re.ASCII)
NANO = 1_000_000_000

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
        exponent = currency_exponent(self.currency)
        return f"{Decimal(self.minor).scaleb(-exponent):.{exponent}f} {self.currency}"


def currency_exponent(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217): 2 for CNY, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def round_to_minor(nano: int, currency: str) -> Money:
    """Round a running cost to minor units, half away from zero: the only rounding of money."""
    unit = NANO // 10 ** currency_exponent(currency)
    whole, rest = divmod(abs(nano), unit)
    minor = whole + (2 * rest >= unit)
    return Money(minor if nano >= 0 else -minor, currency)


def nano_text(nano: int) -> str:
    """A running cost as an exact decimal of the major unit: 1234 gives `0.000001234`."""
    whole, rest = divmod(abs(nano), NANO)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}"


def nano_from_text(text: str) -> int:
    """The reverse of `nano_text`, for amounts that people and programs write.

    Raises ValueError for what is no plain decimal, is negative, or finer than a nano-unit.
    """
    if not _AMOUNT.fullmatch(text):
        raise ValueError("an amount is a plain decimal with at most 9 places, as 12.50")
    return int(Decimal(text).scaleb(9))
