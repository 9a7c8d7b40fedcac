"""Parsing of amounts, percentages and times from command-line arguments."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import typer

from billing.accounts.profiles import ProfileInvalid
from billing.invoices.headroom import (
    LIMITED_BY_CREDIT_AND_WALLET,
    LIMITED_BY_CREDIT_LIMIT,
    LIMITED_BY_SPEND_CAP,
    LIMITED_BY_WALLET,
)
from billing.money import PPM, minor_from_text, nano_from_text
from infra.errors import AppError

_LIMITED_BY = {
    LIMITED_BY_SPEND_CAP: "plan's monthly spend cap",
    LIMITED_BY_CREDIT_LIMIT: "credit limit",
    LIMITED_BY_WALLET: "wallet balance",
    LIMITED_BY_CREDIT_AND_WALLET: "credit limit plus wallet balance",
}


def format_available(available: Mapping[str, Any]) -> str:
    """Format the available balance and the limit that decides it, from `Headroom.to_json`."""
    if available["amount"] is None:
        return "no limit"
    name, currency = _LIMITED_BY[available["limited_by"]], available["currency"]
    amount, limit = available["amount"], available["limit"]
    return f"{amount} {currency}, limited by the {name} of {limit} {currency}"


def parse_minor(text: str, currency: str, error_type: type[AppError]) -> int:
    """Parse an amount such as `12.50` to minor units. Raises `error_type`."""
    try:
        return minor_from_text(text, currency)
    except ValueError as error:
        message = (
            f"{text[:40]!r} is not an amount in {currency}: {error}. Use a number such as 12.50."
        )
        raise error_type(message, param="amount") from error


def parse_percentage_ppm(percent: str) -> int:
    """Parse a percentage such as `6` or `8.25` to parts per million. Raises ProfileInvalid."""
    try:
        nano = nano_from_text(percent)
    except ValueError as error:
        raise ProfileInvalid(
            f"{percent[:40]!r} is not a percentage. Use a number such as 6 or 8.25.",
            param="tax_ppm",
        ) from error
    ppm, rest = divmod(nano * PPM, 100 * 10**9)
    if rest:
        raise ProfileInvalid(
            f"{percent[:40]!r} has too many decimal places. A percentage has at most 4.",
            param="tax_ppm",
        )
    return ppm


def parse_instant(text: str, error_type: type[AppError]) -> datetime:
    """Parse an ISO 8601 date or time, UTC without an offset. Raises `error_type`."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        message = (
            f"{text[:40]!r} is not a date or time. Use ISO 8601, for example 2027-01-01 or "
            "2027-01-01T12:00:00+08:00."
        )
        raise error_type(message) from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def parse_month(text: str) -> date:
    """Parse a month such as `2026-10` to its first day. Raises BadParameter."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise typer.BadParameter("must be a month such as 2026-10.", param_hint="--month") from None
