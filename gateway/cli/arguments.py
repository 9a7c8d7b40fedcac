"""Amounts, rates and days as people type and read them at a `maas` command.

Owns reading them, and one sentence that several commands print.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from billing.accounts.profiles import ProfileInvalid
from billing.invoices.headroom import CREDIT_AND_WALLET, CREDIT_LIMIT, SPEND_CAP, WALLET
from billing.money import PPM, minor_from_text, nano_from_text
from infra.errors import AppError

_LIMITED_BY = {
    SPEND_CAP: "plan's monthly spend cap",
    CREDIT_LIMIT: "credit limit",
    WALLET: "wallet balance",
    CREDIT_AND_WALLET: "credit limit plus wallet balance",
}


def available_text(said: Mapping[str, Any]) -> str:
    """What may still be spent and the limit that decides it, from `Available.to_json`."""
    if said["amount"] is None:
        return "no limit"
    limit, currency = _LIMITED_BY[said["limited_by"]], said["currency"]
    return f"{said['amount']} {currency}, limited by the {limit} of {said['limit']} {currency}"


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
