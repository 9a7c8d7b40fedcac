"""The usage log: one SQL statement writes a batch of a gateway process's calls atomically.

A batch has intents (calls sent to a model), usage rows (ended calls), quota charges (added to the
process's leases), responses stored for an Idempotency-Key and signed decision records. The write is
idempotent, and nothing is written once the process has been marked as ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import USAGE_COLUMNS, UsageRecord, usage_column_values
from infra.database.direct import DirectConnection

# Only newly inserted rows are charged, because a commit whose result was lost is retried.
# Leases are locked in the order of their ids, as everywhere, so that locks never form a cycle.
# A charge without a hold goes to the lease of the process.
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
        select coalesce(hold_id, %(process)s) as owner_id, quota_id, sum(amount)::bigint as amount
        from json_to_recordset(%(charges)s::json)
            as c(request_id uuid, quota_id uuid, amount bigint, hold_id uuid)
        where request_id in (select request_id from written)
        group by 1, 2
    ), locked as materialized (
        select l.process_id, l.quota_id, c.amount from quota_lease l
        join charged c on c.quota_id = l.quota_id and c.owner_id = l.process_id
        order by l.quota_id, l.process_id for update of l
    ), leases as (
        update quota_lease l set used = l.used + k.amount from locked k
        where l.process_id = k.process_id and l.quota_id = k.quota_id
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
    {decided}
    select count(*) from alive
""".replace("{columns}", ", ".join(USAGE_COLUMNS))
# Few batches have decision records, and those without execute the shorter statement.
_DECIDED = """, decided as (
        insert into decision_record
        select r.* from json_populate_recordset(null::decision_record, %(decisions)s::json) r, alive
        on conflict (id) do nothing
    )"""
_RECORD_CALLS = _RECORD.replace("{decided}", "")
_RECORD_CALLS_AND_DECISIONS = _RECORD.replace("{decided}", _DECIDED)


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """A call that is being sent to a model; the field names are columns of `intent`.

    `held_nano` is its maximum cost in nano-units, `parent_id` the call on whose behalf it is made.
    """

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
    project_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class QuotaCharge:
    """The units that a settled call consumes from one quota.

    They are charged to the lease of the process, or to that of a hold (billing/metering/holds.py).
    """

    quota_id: str
    amount: int
    hold_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response to store for the call's Idempotency-Key.

    A `status` of None releases the key; a `body` of None is a response too large to store.
    """

    status: int | None
    content_type: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class SignedDecision:
    """A signed decision record to store; the field names are columns of `decision_record`.

    `request_id` is the client's call. `created_at` is UTC.
    """

    id: UUID
    account_id: UUID
    request_id: UUID
    model: str
    verdict: str
    document: str
    signature: str
    key_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SettledCall:
    """An ended call to write; `has_intent` if an intent row exists that must be deleted.

    `decisions` are the decision records of what it reports: they exist if its usage row does.
    """

    record: UsageRecord
    charges: tuple[QuotaCharge, ...] = ()
    has_intent: bool = False
    response: StoredResponse | None = None
    decisions: tuple[SignedDecision, ...] = ()


async def write_usage_batch(
    connection: DirectConnection,
    process_id: UUID,
    intents: Sequence[IntentRecord],
    settled: Sequence[SettledCall],
) -> bool:
    """Write sent calls (`intents`) and ended ones (`settled`); False if the process was ended.

    All are written in one transaction, nothing if the process has been marked as ended. Raises
    DatabaseUnavailable, after which the batch may have been written, and SQLAlchemyError if the
    database rejects a row.
    """
    values = {
        "process": process_id,
        "intents": _encode_json([_intent_row(intent, process_id) for intent in intents]),
        "rows": _encode_json([usage_column_values(call.record) for call in settled]),
        "charges": _encode_json(
            [
                {
                    "request_id": call.record.request_id,
                    "quota_id": charge.quota_id,
                    "amount": charge.amount,
                    "hold_id": charge.hold_id,
                }
                for call in settled
                for charge in call.charges
            ]
        ),
        "closed": _uuid_array([call.record.request_id for call in settled if call.has_intent]),
        "answers": _encode_json([_response_row(call) for call in settled if call.response]),
    }
    statement, decisions = _RECORD_CALLS, [one for call in settled for one in call.decisions]
    if decisions:
        statement = _RECORD_CALLS_AND_DECISIONS
        values["decisions"] = msgspec.json.encode(decisions).decode()
    rows = await connection.statement(statement, values)
    return bool(rows[0][0])


def _intent_row(intent: IntentRecord, process_id: UUID) -> dict[str, Any]:
    """Return the JSON row of a call sent to a model, with the process that runs the call."""
    # The process reaper settles the open calls of a process that has ended.
    row = {name: getattr(intent, name) for name in IntentRecord.__slots__}
    return {**row, "process_id": process_id}


def _response_row(call: SettledCall) -> dict[str, Any]:
    """Return the JSON row that stores a call's response for replay by idempotency key."""
    response = call.response or StoredResponse(None)
    return {
        "request_id": call.record.request_id,
        "status": response.status,
        "content_type": response.content_type,
        "body": response.body,  # msgspec encodes bytes as base64
    }


def _uuid_array(ids: Sequence[UUID]) -> str:
    """Format ids as the text of a PostgreSQL array."""
    # A PostgreSQL array literal: the driver's own conversion of a list is slower than this.
    return "{" + ",".join(map(str, ids)) + "}"


def _encode_json(rows: Sequence[dict[str, Any]]) -> str:
    """Encode rows as JSON text without NUL, which is replaced by U+FFFD."""
    # PostgreSQL text cannot contain NUL, and a NUL in a customer's text must not fail the batch.
    return msgspec.json.encode(rows).decode().replace("\\u0000", "\\ufffd")
