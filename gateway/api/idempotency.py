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


class _NothingStored(Exception):
    """No request with the key was answered before; what was claimed is rolled back."""


async def _no_change(_: AsyncSession) -> dict[str, Any]:
    """Change nothing: raise _NothingStored."""
    raise _NothingStored


async def replayed_response(
    database: Database, principal: Principal, request: Request[Any, Any, Any], key: str | None
) -> Response[bytes] | None:
    """Return the stored response of the first request with an Idempotency-Key, None without one.

    For requests that depend on what may be gone since, as an input file. Raises as `run_once`.
    """
    if key is None:
        return None
    try:
        return await idempotent_response(database, principal, request, key, _no_change)
    except _NothingStored:
        return None


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
