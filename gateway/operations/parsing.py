"""Parse amounts, percentages and times that operators send by command, page or API."""

from datetime import UTC, date, datetime

from billing.accounts.profiles import ProfileInvalid
from billing.money import PPM, minor_from_text, nano_from_text, require_currency
from infra.errors import AppError


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


def parse_month(text: str, error_type: type[AppError]) -> date:
    """Parse a month such as `2026-10` to its first day. Raises `error_type`."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise error_type(
            f"{text[:40]!r} is not a month. Use a month such as 2026-10.", param="month"
        ) from None


def parse_currency(text: str, error_type: type[AppError]) -> str:
    """Return an ISO 4217 code in capital letters. Raises `error_type`."""
    try:
        return require_currency(text.strip().upper())
    except ValueError as error:
        raise error_type(f"currency: {error}.", param="currency") from None
