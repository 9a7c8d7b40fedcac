"""Apply a change with an Idempotency-Key at most once.

Key, change and response are stored in one transaction: a concurrent duplicate waits and gets the
first response, and a failed change leaves its key unused.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.idempotency_keys import IdempotencyClaim, claim_key, store_response
from gateway.inference.idempotency import parse_idempotency_key, request_hash, stored_answer
from infra import ids

# The key is stored together with its response, so no process can leave it without one.
_NO_PROCESS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class IdempotentChange:
    """A requested change: account, operation name, request body and Idempotency-Key, if any."""

    account_id: UUID
    operation: str
    body: bytes
    key: str | None


@dataclass(frozen=True, slots=True)
class IdempotentResult:
    """The JSON response, and whether it was replayed from an earlier request."""

    response: bytes
    is_replayed: bool = False


async def run_once(
    session: AsyncSession,
    request: IdempotentChange,
    change: Callable[[AsyncSession], Awaitable[dict[str, Any]]],
) -> IdempotentResult:
    """Apply the change, or replay the response of the key's first request.

    Raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyKeyBusy and the errors of
    `change`.
    """
    if request.key is None:
        return IdempotentResult(msgspec.json.encode(await change(session)))
    request_digest = request_hash(request.operation, request.body)
    claim = IdempotencyClaim(
        request.account_id,
        parse_idempotency_key(request.key),
        request_digest,
        ids.new_id(),
        _NO_PROCESS,
    )
    holder = await claim_key(session, claim)
    if holder is not None:
        return IdempotentResult(stored_answer(holder, claim), is_replayed=True)
    response = msgspec.json.encode(await change(session))
    await store_response(session, claim, response)
    return IdempotentResult(response)
