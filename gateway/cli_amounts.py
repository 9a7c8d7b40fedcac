"""Amounts, rates and days as people type them behind a `maas` command.

Owns reading them. Does not own what they may be for (billing/).
"""

from datetime import UTC, datetime

from billing.accounts.profiles import ProfileInvalid
from billing.money import PPM, minor_from_text, nano_from_text
from infra.errors import AppError


def minor_of(text: str, currency: str, otherwise: type[AppError]) -> int:
    """Minor units of an amount as `12.50`. Raises `otherwise` where it is none."""
    try:
        return minor_from_text(text, currency)
    except ValueError as error:
        message = f"{text[:40]!r} is no amount in {currency}: {error}."
        raise otherwise(message, param="amount") from error


def ppm_of(percent: str) -> int:
    """Parts per million of a percentage as `6` or `8.25`. Raises ProfileInvalid."""
    try:
        nano = nano_from_text(percent)
    except ValueError as error:
        raise ProfileInvalid(f"{percent[:40]!r} is no percentage: write it as 6.") from error
    ppm, rest = divmod(nano * PPM, 100 * 10**9)
    if rest:
        raise ProfileInvalid("A percentage has at most 4 decimal places.", param="tax_ppm")
    return ppm


def instant_of(text: str, otherwise: type[AppError]) -> datetime:
    """An instant as ISO 8601, UTC where no zone is said. Raises `otherwise`."""
    try:
        said = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text[:40]!r} is no time: write it as 2027-01-01 or 2027-01-01T12:00:00+08:00."
        raise otherwise(message) from error
    return said.replace(tzinfo=UTC) if said.tzinfo is None else said
