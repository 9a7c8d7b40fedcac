"""Replay: what an Idempotency-Key does for a call.

The first call with a key is answered and its answer kept; the same request again gets that answer
and costs nothing. A call with a key goes on when its client leaves, since a client that comes
back wants what it has paid for.
"""

import hashlib

from billing.metering.idempotency_keys import Claim, take_key
from billing.metering.usage_log import Answer
from billing.tables import KeptAnswer, Settlement
from gateway.asgi.exchange import Copy
from gateway.call.errors import (
    AnswerNotKept,
    IdempotencyKeyBusy,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
)
from gateway.call.values import Call, Completion, Principal
from gateway.quota.process_heartbeat import Membership
from gateway.quota.request_limits import RequestLimits
from infra.database.database import Database

_HEADER = b"idempotency-key"
_LONGEST_KEY = 255
# A larger answer is not kept: its repetition is told so.
MOST_KEPT = 4 << 20


class Replayer:
    """Deals with the Idempotency-Keys of one gateway process."""

    def __init__(self, database: Database, membership: Membership, limits: RequestLimits) -> None:
        self._database = database
        self._membership = membership
        self._limits = limits

    async def claim(
        self, call: Call, principal: Principal, body: bytes
    ) -> Claim | Completion | None:
        """The key is this call's now, or the answer that it gave before; None without a key.

        A key that was used before counts as a request here; a new one is counted on admission.

        Raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyKeyBusy, AnswerNotKept,
        RateLimited, MeteringUnavailable.
        """
        header = call.headers.get(_HEADER)
        if header is None:
            return None
        claim = Claim(
            account_id=principal.account_id,
            idempotency_key=key_of(header.decode("latin-1")),
            request_hash=request_hash(call.path, body),
            request_id=call.request_id,
            process_id=self._membership.process_id,
        )
        async with self._database.transaction() as session:
            holder = await take_key(session, claim)
        if holder is None:
            return claim
        await self._limits.count(principal.quotas)
        return _replayed(holder, claim)


def answer_of(completion: Completion, copy: Copy, tail: bytes) -> Answer:
    """What to keep of a call that has a key. Without an answer the key is free again."""
    if completion.settlement not in (Settlement.COMPLETE, Settlement.UNKNOWN):
        return Answer(None)
    copy.add(tail)
    content_type = completion.headers.get("content-type", "application/json")
    return Answer(completion.status, content_type, copy.whole())


def key_of(header: str) -> str:
    """The key that a header holds. Raises IdempotencyKeyInvalid."""
    text = header.strip()
    if not 0 < len(text) <= _LONGEST_KEY or not text.isascii() or not text.isprintable():
        raise IdempotencyKeyInvalid(
            f"Idempotency-Key is 1 to {_LONGEST_KEY} printable ASCII characters.",
            param="Idempotency-Key",
        )
    return text


def request_hash(path: str, body: bytes) -> bytes:
    """What tells a repetition from another request."""
    return hashlib.sha256(path.encode() + b"\n" + body).digest()


def answer_of_before(holder: KeptAnswer, claim: Claim) -> bytes:
    """What the key's first request was answered.

    Raises IdempotencyKeyReused, IdempotencyKeyBusy, AnswerNotKept.
    """
    if holder.request_hash != claim.request_hash:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used for another request. Use a new one.",
            param="Idempotency-Key",
        )
    if holder.status is None:
        raise IdempotencyKeyBusy(
            "The first call with this Idempotency-Key is still running. Ask again shortly.",
            param="Idempotency-Key",
            headers={"retry-after": "1"},
        )
    if holder.body is None:
        raise AnswerNotKept(
            f"The call was answered before, with more than {MOST_KEPT} bytes, which are not kept. "
            "Use a new Idempotency-Key to call again.",
            param="Idempotency-Key",
        )
    return holder.body


def _replayed(holder: KeptAnswer, claim: Claim) -> Completion:
    return Completion(
        settlement=Settlement.REPLAYED,
        tail=answer_of_before(holder, claim),
        status=holder.status or 200,
        headers={
            "content-type": holder.content_type or "application/json",
            "idempotent-replayed": "true",
        },
    )
