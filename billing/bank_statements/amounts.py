"""Amounts and days as banks write them. Pure."""

import re
from datetime import date

from billing.money import currency_exponent, minor_from_text

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})(?!\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})(?!\d)", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,3}([,.' ]\d{3})+", re.ASCII)


def parse_amount(text: str, currency: str) -> int:
    """Parse an amount with any thousands and decimal separators to minor units, with its sign.

    A single separator before exactly three digits separates thousands, except in a currency with
    three decimal places. Raises ValueError.
    """
    number = text.strip().translate(str.maketrans("", "", "¥￥$€+"))
    is_negative = number.startswith(("-", "(")) or number.endswith("-")
    number = number.strip("-() ").replace("\u00a0", " ")
    last = max(number.rfind("."), number.rfind(","))
    if last < 0 or _has_only_thousands(number, currency):
        whole, decimals = number, ""
    else:
        whole, decimals = number[:last], number[last + 1 :]
    digits = re.sub(r"(?<=\d)[,.' ](?=\d{3})", "", whole)
    minor = minor_from_text(f"{digits}.{decimals}" if decimals else digits, currency)
    return -minor if is_negative else minor


def parse_day(text: str) -> date:
    """Parse a day such as `2026-11-03`, `20261103 10:20` or `03.11.2026`. Raises ValueError."""
    if found := _COMPACT.match(text.strip()) or _YEAR_FIRST.match(text.strip()):
        year, month, day = found.groups()
    elif found := _DAY_FIRST.match(text.strip()):
        day, month, year = found.groups()
    else:
        raise ValueError("not a date")
    return date(int(year), int(month), int(day))


def _has_only_thousands(number: str, currency: str) -> bool:
    """Return whether all separators of a number separate thousands."""
    has_both = "." in number and "," in number
    has_thousandths = currency_exponent(currency) == 3
    return not has_both and not has_thousandths and _THOUSANDS.fullmatch(number) is not None
