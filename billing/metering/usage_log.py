"""The usage log: one SQL statement writes a batch of a gateway process's calls atomically.

A batch has intents (calls sent to a model), usage rows (ended calls), quota charges (added to the
process's leases), responses stored for an Idempotency-Key and signed decision records. The write is
idempotent, and nothing is written once the process has been marked as ended.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.exc import DBAPIError

from billing.metering.usage import USAGE_COLUMNS, UsageRecord, usage_column_values
from infra.database.database import is_constraint_violation
from infra.database.direct import DirectConnection
from infra.frozen import frozen_dataclass

_ALIVE = """
    with alive as materialized (
        select id from gateway_process where id = %(process)s and ended_at is null for key share
    )"""
# The parts of the statement by the values that they use: each costs time even without rows, so the
# statement contains those that have some. Leases are locked in the order of their ids, as
# everywhere, so that locks never form a cycle.
_PARTS = {
    "intents": """, opened as (
        insert into intent
        select i.* from json_populate_recordset(null::intent, %(intents)s::json) i, alive
        on conflict (request_id) do nothing
    )""",
    "rows": """, written as (
        insert into usage ({columns})
        select {columns} from json_populate_recordset(null::usage, %(rows)s::json) u, alive
    )""".replace("{columns}", ", ".join(USAGE_COLUMNS)),
    "charges": """, locked as materialized (
        select l.process_id, l.quota_id, c.amount from alive, quota_lease l
        join json_to_recordset(%(charges)s::json)
            as c(owner_id uuid, quota_id uuid, amount bigint)
            on c.quota_id = l.quota_id and c.owner_id = l.process_id
        order by l.quota_id, l.process_id for update of l
    ), leases as (
        update quota_lease l set used = l.used + k.amount from locked k
        where l.process_id = k.process_id and l.quota_id = k.quota_id
    )""",
    "closed": """, closed as (
        delete from intent using alive where request_id = any(%(closed)s::uuid[])
    )""",
    "answers": """, answers as materialized (
        select * from json_to_recordset(%(answers)s::json) as a(
            request_id uuid, status int, content_type text, body text)
    ), kept as (
        update kept_answer k
        set status = a.status, content_type = a.content_type, body = decode(a.body, 'base64')
        from answers a, alive where k.request_id = a.request_id and a.status is not null
    ), forgotten as (
        delete from kept_answer k using answers a, alive
        where k.request_id = a.request_id and a.status is null
    )""",
    "decisions": """, decided as (
        insert into decision_record
        select r.* from json_populate_recordset(null::decision_record, %(decisions)s::json) r, alive
        on conflict (id) do nothing
    )""",
}
_NO_ROWS, _NO_IDS = "[]", "{}"
_COUNT = " select count(*) from alive"
_RECORDED = "select request_id from usage where request_id = any(%(ids)s::uuid[])"
_BILLED = f"{_RECORDED} and (cost_nano > 0 or covered is not null)"


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


@frozen_dataclass(frozen=True, slots=True)
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


@frozen_dataclass(frozen=True, slots=True)
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

    All are written in one transaction, nothing if the process has been marked as ended. A call
    whose usage row exists is neither written nor charged again: a commit whose result was lost is
    retried. Raises DatabaseUnavailable, after which the batch may have been written, and
    SQLAlchemyError if the database rejects a row.
    """
    decisions = [decision for call in settled for decision in call.decisions]
    values = {
        "intents": _encode_json([_intent_row(intent, process_id) for intent in intents]),
        "closed": _uuid_array([call.record.request_id for call in settled if call.has_intent]),
        # Unchanged, because they are signed.
        "decisions": msgspec.json.encode(decisions).decode(),
    }
    new = settled
    while True:
        values["rows"] = _encode_json([_usage_row(call.record) for call in new])
        values["charges"] = _encode_json(_sum_charges(new, process_id))
        # A row that exists was written with the response to store for it.
        values["answers"] = _encode_json([_response_row(call) for call in new if call.response])
        try:
            return await _execute(connection, process_id, values)
        except DBAPIError as error:
            # Of a batch that is repeated, PostgreSQL reports either the rows that exist or the
            # charges that no longer fit into the leases, whichever part it executes first.
            is_violation = is_constraint_violation(error)
            remaining = await _find_new(connection, new) if is_violation else new
            if len(remaining) == len(new):
                raise
            new = remaining


async def find_billed_calls(
    connection: DirectConnection, request_ids: Sequence[UUID]
) -> frozenset[UUID]:
    """Return the calls whose usage rows have a cost or use included units."""
    rows = await connection.statement(_BILLED, {"ids": _uuid_array(request_ids)})
    return frozenset(row[0] for row in rows)


async def _execute(
    connection: DirectConnection, process_id: UUID, values: Mapping[str, str]
) -> bool:
    """Execute the parts of the statement that have values; False if the process was ended."""
    used = {name: value for name, value in values.items() if value not in (_NO_ROWS, _NO_IDS)}
    statement = _ALIVE + "".join(_PARTS[name] for name in _PARTS if name in used) + _COUNT
    rows = await connection.statement(statement, {"process": process_id, **used})
    return bool(rows[0][0])


async def _find_new(
    connection: DirectConnection, settled: Sequence[SettledCall]
) -> Sequence[SettledCall]:
    """Return the calls that have no usage row, each once."""
    ids = [call.record.request_id for call in settled]
    rows = await connection.statement(_RECORDED, {"ids": _uuid_array(ids)})
    calls = {call.record.request_id: call for call in reversed(settled)}
    for row in rows:
        del calls[row[0]]
    return list(calls.values())


def _usage_row(record: UsageRecord) -> dict[str, Any]:
    """Return the JSON row of an ended call, without the columns that are NULL."""
    columns = usage_column_values(record)
    return {name: value for name, value in columns.items() if value is not None}


def _sum_charges(calls: Sequence[SettledCall], process_id: UUID) -> list[dict[str, Any]]:
    """Return the JSON rows of what calls consume of each lease.

    A charge without a hold goes to the lease of the process.
    """
    sums: Counter[tuple[str, UUID | None]] = Counter()
    for call in calls:
        for charge in call.charges:
            sums[charge.quota_id, charge.hold_id] += charge.amount
    return [
        {"owner_id": hold_id or process_id, "quota_id": quota_id, "amount": amount}
        for (quota_id, hold_id), amount in sums.items()
    ]


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


def _encode_json(rows: Sequence[Any]) -> str:
    """Encode rows as JSON text without NUL, which is replaced by U+FFFD."""
    # PostgreSQL text cannot contain NUL, and a NUL in a customer's text must not fail the batch.
    return msgspec.json.encode(rows).decode().replace("\\u0000", "\\ufffd")
