"""Once: a change of money or terms that has an Idempotency-Key happens once.

Key, change and answer are one transaction: of two at the same time the second waits and gets what
the first was answered, and a change that fails leaves its key free.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.idempotency_keys import Claim, keep_answer, take_key
from gateway.inference.idempotency import answer_of_before, key_of, request_hash
from infra import ids

# The row is written with its answer, so that no process can leave it behind without one.
_NO_PROCESS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account wants changed: where, by which body, and under which key if any."""

    account_id: UUID
    where: str
    body: bytes
    key: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """The answer as JSON, and whether it was given before."""

    answer: bytes
    repeated: bool = False


async def once(
    session: AsyncSession,
    wish: Wish,
    change: Callable[[AsyncSession], Awaitable[dict[str, Any]]],
) -> Done:
    """Change it, or give the answer that the key's first wish had.

    Raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyKeyBusy, and what `change` does.
    """
    if wish.key is None:
        return Done(msgspec.json.encode(await change(session)))
    hashed = request_hash(wish.where, wish.body)
    claim = Claim(wish.account_id, key_of(wish.key), hashed, ids.new_id(), _NO_PROCESS)
    holder = await take_key(session, claim)
    if holder is not None:
        return Done(answer_of_before(holder, claim), repeated=True)
    answer = msgspec.json.encode(await change(session))
    await keep_answer(session, claim, answer)
    return Done(answer)
