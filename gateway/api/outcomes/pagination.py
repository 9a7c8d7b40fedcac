"""Cursor pagination of outcome resources."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.pagination import page_json, parse_cursor
from infra.database.database import Database

ListPage = Callable[[AsyncSession, UUID, int, UUID | None], Awaitable[list[dict[str, Any]]]]


async def list_response(
    database: Database,
    account_id: UUID,
    list_page: ListPage,
    limit: int,
    cursor: tuple[str, str | None],
) -> dict[str, Any]:
    """Return a page of rows as OpenAI's list; `cursor` is the id prefix and the `after` id.

    Raises ParameterInvalid.
    """
    after = parse_cursor(*cursor)
    async with database.transaction() as session:
        rows = await list_page(session, account_id, limit + 1, after)
    return page_json(rows, limit, lambda row: row)
