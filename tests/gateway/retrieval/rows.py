"""The newest usage rows of a gateway that tests share."""

from typing import Any

from billing.metering.usage import list_usage, usage_to_json
from tests.gateway.retrieval.firm import Firm


async def newest(firm: Firm, count: int) -> list[dict[str, Any]]:
    """The newest usage rows, the last started first: second answer, search, chat."""
    async with firm.gateway.parts.database.transaction() as session:
        rows = await list_usage(session, account_id=None, limit=count)
    return [usage_to_json(row) for row in rows]
