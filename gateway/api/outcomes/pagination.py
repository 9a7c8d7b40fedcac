"""Pages of outcomes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.pagination import mark_of, shown_page
from infra.database.database import Database

Page = Callable[[AsyncSession, UUID, int, UUID | None], Awaitable[list[dict[str, Any]]]]


async def page_of(
    database: Database,
    account_id: UUID,
    page: Page,
    limit: int,
    mark: tuple[str, str | None],
) -> dict[str, Any]:
    """The rows after a mark, which is a prefix and an id. Raises ParameterInvalid."""
    found = mark_of(*mark)
    async with database.transaction() as session:
        rows = await page(session, account_id, limit + 1, found)
    return shown_page(rows, limit, lambda row: row)
