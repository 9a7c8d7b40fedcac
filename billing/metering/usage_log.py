"""Recording: what a gateway process writes of its calls, as one statement and one commit.

Calls that were sent to a model (intents), calls that ended (usage rows), what they are charged to
(the process's own leases) and answers kept for their Idempotency-Key. All of it happens or none,
once however often it is tried, and nothing once the process has been taken for dead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import USAGE_COLUMNS, UsageRecord, usage_row
from infra.database.direct import DirectConnection

# Charges are counted for rows that are new only: a commit whose answer was lost is tried again.
# Leases are locked in the order of their ids, as everywhere.
_RECORD = """
    with alive as materialized (
        select id from gateway_process where id = %(process)s and ended_at is null for key share
    ), opened as (
        insert into intent
        select i.* from json_populate_recordset(null::intent, %(intents)s::json) i, alive
        on conflict (request_id) do nothing
    ), written as (
        insert into usage ({columns})
        select {columns} from json_populate_recordset(null::usage, %(rows)s::json) u, alive
        on conflict (request_id) do nothing
        returning request_id
    ), charged as (
        select quota_id, sum(amount)::bigint as amount
        from json_to_recordset(%(charges)s::json)
            as c(request_id uuid, quota_id uuid, amount bigint)
        where request_id in (select request_id from written)
        group by quota_id
    ), locked as materialized (
        select l.quota_id, c.amount from quota_lease l join charged c on c.quota_id = l.quota_id
        where l.process_id = %(process)s order by l.quota_id for update of l
    ), leases as (
        update quota_lease l set used = l.used + k.amount from locked k
        where l.process_id = %(process)s and l.quota_id = k.quota_id
    ), closed as (
        delete from intent using alive where request_id = any(%(closed)s::uuid[])
    ), answers as materialized (
        select * from json_to_recordset(%(answers)s::json) as a(
            request_id uuid, status int, content_type text, body text)
    ), kept as (
        update kept_answer k
        set status = a.status, content_type = a.content_type, body = decode(a.body, 'base64')
        from answers a, alive where k.request_id = a.request_id and a.status is not null
    ), forgotten as (
        delete from kept_answer k using answers a, alive
        where k.request_id = a.request_id and a.status is null
    )
    select count(*) from alive
""".replace("{columns}", ", ".join(USAGE_COLUMNS))


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """A call that is sent to a model; `held_nano` is what it can cost at most, `parent_id` the call
    that it is made for."""

    request_id: UUID
    account_id: UUID
    key_id: UUID
    operation: str
    model: str
    streamed: bool
    held_nano: int
    currency: str
    started_at: datetime
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What a settled call takes from one quota whose units are spent."""

    quota_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What to keep for the call's Idempotency-Key; without a status, the key is free again.

    A body of None is an answer too large to keep.
    """

    status: int | None
    content_type: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A call that ended; `opened` where its intent is in the database."""

    record: UsageRecord
    charges: tuple[Charge, ...] = ()
    opened: bool = False
    answer: Answer | None = None


async def write(
    connection: DirectConnection,
    process_id: UUID,
    intents: Sequence[IntentRecord],
    settled: Sequence[Settled],
) -> bool:
    """Write all of it; False where the process has been taken for dead and nothing was written.

    Raises DatabaseUnavailable, then it may have been written; and SQLAlchemyError where the
    database refuses a row.
    """
    values = {
        "process": process_id,
        "intents": _json([_intent_row(intent, process_id) for intent in intents]),
        "rows": _json([usage_row(one.record) for one in settled]),
        "charges": _json(
            [
                {
                    "request_id": one.record.request_id,
                    "quota_id": charge.quota_id,
                    "amount": charge.amount,
                }
                for one in settled
                for charge in one.charges
            ]
        ),
        "closed": _array([one.record.request_id for one in settled if one.opened]),
        "answers": _json([_answer_row(one) for one in settled if one.answer]),
    }
    rows = await connection.statement(_RECORD, values)
    return bool(rows[0][0])


def _intent_row(intent: IntentRecord, process_id: UUID) -> dict[str, Any]:
    # An open call belongs to the process that says so, and is settled should that one be lost.
    row = {name: getattr(intent, name) for name in IntentRecord.__slots__}
    return {**row, "process_id": process_id}


def _answer_row(one: Settled) -> dict[str, Any]:
    answer = one.answer or Answer(None)
    return {
        "request_id": one.record.request_id,
        "status": answer.status,
        "content_type": answer.content_type,
        "body": answer.body,  # JSON holds bytes in base 64
    }


def _array(ids: Sequence[UUID]) -> str:
    # As PostgreSQL writes one; the driver takes longer for a list than for all else here.
    return "{" + ",".join(map(str, ids)) + "}"


def _json(rows: Sequence[dict[str, Any]]) -> str:
    # PostgreSQL's texts hold no NUL, and a call's row must not fail for one in a customer's words.
    return msgspec.json.encode(rows).decode().replace("\\u0000", "\\ufffd")
