"""The newest usage rows of a gateway that tests share."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.metering.usage import list_usage, usage_to_json
from tests.gateway.retrieval.firm import Firm
from tests.support.waiting import until_true


async def added(firm: Firm, known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a chat that was corrected, beside the known ones, once they are written: second
    answer, search, chat."""
    rows: list[dict[str, Any]] = []

    async def are_written() -> bool:
        rows[:] = await newest(firm, len(known) + 3)
        return len(rows) == len(known) + 3

    await until_true(are_written)
    return rows[:3]


async def newest(firm: Firm, count: int) -> list[dict[str, Any]]:
    """The newest usage rows, the last started first: second answer, search, chat."""
    async with firm.gateway.parts.database.transaction() as session:
        rows = await list_usage(session, account_id=None, limit=count)
    return [usage_to_json(row) for row in rows]
