"""Idempotent POST requests that change an account's money or terms."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import Request, Response
from litestar.params import HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.values import Principal
from gateway.operations.idempotent import IdempotentChange, run_once
from infra.database.database import Database

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="The same within a day: done once"),
]
_Change = Callable[[AsyncSession], Awaitable[dict[str, Any]]]


async def idempotent_response(
    database: Database,
    principal: Principal,
    request: Request[Any, Any, Any],
    key: str | None,
    change: _Change,
) -> Response[bytes]:
    """Apply a change in one transaction, once per Idempotency-Key, and return its response.

    A repeated Idempotency-Key returns the stored response of its first request instead.
    """
    change_request = IdempotentChange(
        principal.account_id, request.url.path, await request.body(), key
    )
    async with database.transaction() as session:
        result = await run_once(session, change_request, change)
    headers = {"idempotent-replayed": "true"} if result.is_replayed else {}
    return Response(result.response, media_type="application/json", headers=headers)
