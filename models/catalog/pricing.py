"""Prices of a catalog entry, exactly converted to nano-units."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from models.catalog.entries import Meter, Prices
from models.catalog.problems import ProblemList, advice

CURRENCIES = ("CNY", "USD")
_NANO = Decimal(10) ** 9
_MAX_NANO_PRICE = 10**15  # a million per unit; higher prices are typing errors
_MAX_PER = 10**9
_METERS = tuple(meter.value for meter in Meter)


def parse_prices(
    meters: Mapping[str, Any], file: str, entry: str, field: str, problems: ProblemList
) -> Prices:
    """Return nano-units per unit by currency and meter; report invalid rows, which are left out.

    `field` is the table's name in messages: `meters` or `cost`.
    """
    prices: dict[str, dict[str, int]] = {}
    for meter, row in meters.items():
        place = f"{field}.{meter}"
        if meter not in _METERS:
            problems.add(file, f"is an unknown meter. {advice(meter, _METERS)}", entry, place)
        elif not isinstance(row, dict):
            problems.add(file, 'must be a table such as { per = 1_000, CNY = "1" }.', entry, place)
        else:
            for currency, nano in _parse_row(row, file, entry, place, problems).items():
                prices.setdefault(currency, {})[Meter(meter)] = nano
    return MappingProxyType({key: MappingProxyType(value) for key, value in prices.items()})


def _parse_row(
    row: Mapping[str, Any], file: str, entry: str, place: str, problems: ProblemList
) -> dict[str, int]:
    """Return the prices of one meter by currency."""
    per = row.get("per")
    if not isinstance(per, int) or isinstance(per, bool) or not 1 <= per <= _MAX_PER:
        text = f"must be the number of units that the prices are for, 1 to {_MAX_PER}."
        problems.add(file, text, entry, f"{place}.per")
        return {}
    prices: dict[str, int] = {}
    for currency, amount in row.items():
        if currency == "per":
            continue
        if currency not in CURRENCIES:
            text = f"is an unknown currency. {advice(currency, CURRENCIES)}"
            problems.add(file, text, entry, f"{place}.{currency}")
            continue
        try:
            prices[currency] = _to_nano_units(amount, per)
        except ValueError as error:
            problems.add(file, f"{error}.", entry, f"{place}.{currency}")
    return prices


def _to_nano_units(amount: Any, per: int) -> int:
    """Convert a price per `per` units to nano-units per unit. Raises ValueError."""
    if not isinstance(amount, str) or len(amount) > 40:
        raise ValueError('must be a decimal in quotation marks, such as "0.50"')
    try:
        nano = Decimal(amount) * _NANO / per
        is_whole = nano == nano.to_integral_value()
    except (InvalidOperation, ArithmeticError):
        raise ValueError('must be a decimal in quotation marks, such as "0.50"') from None
    if not nano.is_finite() or not 0 <= nano <= _MAX_NANO_PRICE or not is_whole:
        raise ValueError(
            f"is {amount} for {per} units, which must come to a whole number of nano-units (10⁻⁹ "
            f"of the currency) per unit, from 0 to {_MAX_NANO_PRICE}"
        )
    return int(nano)
