"""The playground's chat form."""

from typing import Any

from infra import ids
from tests.support.builders import INDUSTRIAL
from tests.support.dashboard.firm import Firm


def key_of(firm: Firm) -> str:
    return ids.format_id("key", firm.gateway.key.row.id)


def chat(firm: Firm, **fields: Any) -> dict[str, Any]:
    usual = {"model": INDUSTRIAL, "key": key_of(firm), "prompt": "one two", "max_tokens": "5"}
    return {**usual, **fields}
