"""Formatting of what several commands show."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import typer

from billing.invoices.headroom import (
    LIMITED_BY_CREDIT_AND_WALLET,
    LIMITED_BY_CREDIT_LIMIT,
    LIMITED_BY_SPEND_CAP,
    LIMITED_BY_WALLET,
)
from gateway.call.errors import ParameterInvalid
from gateway.operations.parsing import parse_month as month_of_text

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


def parse_month(text: str) -> date:
    """Parse a month such as `2026-10` to its first day. Raises BadParameter."""
    try:
        return month_of_text(text, ParameterInvalid)
    except ParameterInvalid as error:
        raise typer.BadParameter(error.message, param_hint="--month") from None
