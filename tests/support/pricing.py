"""The list price of a call, computed independently from its usage row."""

from typing import Any

from tests.support.builders import CATALOG


def list_price(row: dict[str, Any], model: str) -> str:
    """The list price of a text model's call, formatted as in the API."""
    prices = CATALOG.models[model].prices["CNY"]
    cached = row["cached_input_tokens"] or 0
    nano = (
        (row["input_tokens"] - cached) * prices["input_tokens"]
        + cached * prices["cached_input_tokens"]
        + row["output_tokens"] * prices["output_tokens"]
    )
    return f"{nano / 1e9:.9f}"
