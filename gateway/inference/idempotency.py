"""Idempotency-Key: store the answer of the first call with a key and replay it for retries.

A replay costs nothing. A call with a key continues after its client disconnects, so that a retry
gets the answer that was billed.
"""

import hashlib

from billing.metering.idempotency_keys import IdempotencyClaim, claim_key
from billing.metering.usage_log import StoredResponse
from billing.tables import KeptAnswer, Settlement
from gateway.asgi.exchange import ResponseCopy
from gateway.call.errors import (
    IdempotencyKeyBusy,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    ReplayAnswerNotStored,
)
from gateway.call.values import Call, CallResult, Principal
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.quota.request_limits import RequestLimits
from infra.database.database import Database

_HEADER = b"idempotency-key"
_MAX_KEY_LENGTH = 255
# A larger answer is not stored; a retry of its request gets ReplayAnswerNotStored.
MAX_STORED_ANSWER_BYTES = 4 << 20


class IdempotencyReplayer:
    """Claims Idempotency-Keys for the calls of one gateway process and replays stored answers."""

    def __init__(
        self, database: Database, heartbeat: ProcessHeartbeat, limits: RequestLimits
    ) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._limits = limits

    async def claim_or_replay(
        self, call: Call, principal: Principal, body: bytes
    ) -> IdempotencyClaim | CallResult | None:
        """Claim the call's Idempotency-Key, or return the stored answer of its first call.

        Returns None without a key. A retry is counted here against the limit of requests per
        minute; a first call is counted on admission.

        Raises IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyKeyBusy,
        ReplayAnswerNotStored, RateLimited, MeteringUnavailable.
        """
        header = call.headers.get(_HEADER)
        if header is None:
            return None
        claim = IdempotencyClaim(
            account_id=principal.account_id,
            idempotency_key=parse_idempotency_key(header.decode("latin-1")),
            request_hash=request_hash(call.path, body),
            request_id=call.request_id,
            process_id=self._heartbeat.process_id,
        )
        async with self._database.transaction() as session:
            stored = await claim_key(session, claim)
        if stored is None:
            return claim
        if call.held_money is None:  # calls of a batch have no request limits
            await self._limits.count_request(principal.quotas)
        return _replay_result(stored, claim)


def answer_to_store(result: CallResult, copy: ResponseCopy, tail: bytes) -> StoredResponse:
    """Return what to store for the call's key; a failed call stores nothing and frees the key."""
    if result.settlement not in (Settlement.COMPLETE, Settlement.UNKNOWN):
        return StoredResponse(None)
    copy.add(tail)
    content_type = result.headers.get("content-type", "application/json")
    return StoredResponse(result.status, content_type, copy.content())


def parse_idempotency_key(header: str) -> str:
    """Return the key of an Idempotency-Key header. Raises IdempotencyKeyInvalid."""
    key = header.strip()
    if not 0 < len(key) <= _MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyInvalid(
            f"Idempotency-Key must have 1 to {_MAX_KEY_LENGTH} printable ASCII characters.",
            param="Idempotency-Key",
        )
    return key


def request_hash(path: str, body: bytes) -> bytes:
    """Return the SHA-256 that a retry with the same key must match."""
    return hashlib.sha256(path.encode() + b"\n" + body).digest()


def stored_answer(stored: KeptAnswer, claim: IdempotencyClaim) -> bytes:
    """Return the body that the first request with this key was answered with.

    Raises IdempotencyKeyReused, IdempotencyKeyBusy, ReplayAnswerNotStored.
    """
    if stored.request_hash != claim.request_hash:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used for another request. Use a new key.",
            param="Idempotency-Key",
        )
    if stored.status is None:
        raise IdempotencyKeyBusy(
            "The first call with this Idempotency-Key is still running. Retry shortly.",
            param="Idempotency-Key",
            headers={"retry-after": "1"},
        )
    if stored.body is None:
        raise ReplayAnswerNotStored(
            "The call succeeded before, but its response has more than "
            f"{MAX_STORED_ANSWER_BYTES} bytes and was not stored. Use a new "
            "Idempotency-Key to call again.",
            param="Idempotency-Key",
        )
    return stored.body


def _replay_result(stored: KeptAnswer, claim: IdempotencyClaim) -> CallResult:
    """Return the result that replays a stored answer. Raises as `stored_answer`."""
    return CallResult(
        settlement=Settlement.REPLAYED,
        tail=stored_answer(stored, claim),
        status=stored.status or 200,
        headers={
            "content-type": stored.content_type or "application/json",
            "idempotent-replayed": "true",
        },
    )
