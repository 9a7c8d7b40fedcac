"""Background responses of an account: what is asked, and what is stored of it."""

import asyncio
from typing import Any

from openai import AsyncOpenAI
from sqlmodel import col, select

from gateway.tables import SavedResponse
from tests.support.builders import CHAT, Gateway

PATH = "/v1/responses"
ASKED: dict[str, Any] = {"model": CHAT, "input": "one two", "max_output_tokens": 4}
BACKGROUND: dict[str, Any] = {**ASKED, "background": True, "store": True}
PATIENCE_S = 30
# The processes that hold responses have ended.
END_PROCESS = """
    insert into gateway_process (id, host, pid, started_at, expires_at, ended_at)
    select process_id, 'x', 1, now(), now(), now() from saved_response
"""


async def ended(client: AsyncOpenAI, response_id: str) -> Any:
    """The response when it has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await client.responses.retrieve(response_id)
            if found.status not in ("queued", "in_progress"):
                return found
            await asyncio.sleep(0.02)


async def saved(gateway: Gateway) -> list[SavedResponse]:
    """The stored responses, oldest first."""
    async with gateway.parts.database.transaction() as session:
        found = await session.scalars(select(SavedResponse).order_by(col(SavedResponse.id)))
        return list(found)
