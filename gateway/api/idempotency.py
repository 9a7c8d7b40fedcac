"""Changing: what the addresses share that change an account's money or terms."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import Request, Response
from litestar.params import HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.values import Principal
from gateway.operations.idempotent import Wish, once
from infra.database.database import Database

Key = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="The same within a day: done once"),
]
_Change = Callable[[AsyncSession], Awaitable[dict[str, Any]]]


async def answered_once(
    database: Database,
    principal: Principal,
    request: Request[Any, Any, Any],
    key: str | None,
    change: _Change,
) -> Response[bytes]:
    """Change it in one transaction, or give the answer that the key's first request had."""
    wish = Wish(principal.account_id, request.url.path, await request.body(), key)
    async with database.transaction() as session:
        done = await once(session, wish, change)
    headers = {"idempotent-replayed": "true"} if done.repeated else {}
    return Response(done.answer, media_type="application/json", headers=headers)
