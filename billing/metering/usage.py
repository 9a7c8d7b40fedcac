"""Usage rows, one per call: the record to insert, insertion, listing and JSON form."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, literal, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.error_fixes import find_suggested_fix
from billing.metering.project_ids import project_public_id
from billing.metering.usage_search import error_condition, project_condition
from billing.money import nano_text
from billing.rating.quantities import METERS, REASONING_TOKENS, Quantities
from billing.tables import Settlement, Usage
from infra import ids
from infra.frozen import frozen_dataclass

REQUEST_ID_PREFIX = "req"
# The columns that a writer sets; the database sets `written_in`, the id of the writing transaction.
USAGE_COLUMNS = tuple(
    column.name for column in inspect(Usage).columns if column.name != "written_in"
)

_QUANTITIES = (*METERS, REASONING_TOKENS)
_column_values = attrgetter(
    *(f"quantities.{name}" if name in _QUANTITIES else name for name in USAGE_COLUMNS)
)


@frozen_dataclass(frozen=True, slots=True)
class UsageRecord:
    """An ended call with its quantities and cost, priced by one version of plan terms.

    `covered` are included units by meter and quota id; `parent_id` is the call on whose behalf
    this call was made. `upstream` answered the call, which cost the operator `upstream_cost_nano`
    there; None if unknown. `project_id` is the key's project at the time of the call, None the
    default project. Raises ValueError if a call that must not be billed has a cost.
    """

    request_id: UUID
    account_id: UUID | None
    key_id: UUID | None
    operation: str
    model: str | None
    streamed: bool
    settlement: Settlement
    status: int
    error_code: str | None
    quantities: Quantities
    cost_nano: int
    currency: str | None
    started_at: datetime
    duration_us: int
    first_chunk_us: int | None
    plan_version_id: UUID | None = None
    tags: Mapping[str, str] | None = None
    covered: Mapping[str, Mapping[str, int]] | None = None
    error_message: str | None = None
    error_param: str | None = None
    requested_model: str | None = None
    parent_id: UUID | None = None
    service_tier: str | None = None
    upstream: str | None = None
    upstream_cost_nano: int | None = None
    project_id: UUID | None = None

    @property
    def covered_units_by_quota(self) -> dict[str, int]:
        """Return the included units that the call used, by quota id."""
        if self.covered is None:
            return {}
        sums: Counter[str] = Counter()
        for by_quota in self.covered.values():
            sums.update(by_quota)
        return sums

    def __post_init__(self) -> None:
        if (self.cost_nano or self.covered) and not (
            self.settlement.billable and self.account_id and self.currency
        ):
            raise ValueError(f"a call settled as {self.settlement} without a payer costs nothing")


async def insert_usage(session: AsyncSession, records: Sequence[UsageRecord]) -> None:
    """Insert usage rows; a row whose request id exists is left unchanged.

    The writer retries a commit whose result was lost, so the insert must be idempotent.
    """
    statement = insert(Usage).on_conflict_do_nothing(index_elements=["request_id"])
    await session.execute(statement, [usage_column_values(record) for record in records])


async def list_usage(
    session: AsyncSession,
    *,
    account_id: UUID | None,
    limit: int,
    before: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    error_code: str | None = None,
    project_ids: Collection[UUID] | None = None,
) -> list[Usage]:
    """List usage rows, newest first, from `since` up to `until`, after the row `before`.

    `account_id` None lists all accounts, for operators only; `error_code` may be ANY_ERROR.
    """
    query = select(Usage).order_by(col(Usage.started_at).desc(), col(Usage.request_id).desc())
    if account_id is not None:
        query = query.where(col(Usage.account_id) == account_id)
    if since is not None:
        query = query.where(col(Usage.started_at) >= since)
    if until is not None:
        query = query.where(col(Usage.started_at) < until)
    if error_code is not None:
        query = query.where(error_condition([error_code]))
    if project_ids is not None:
        query = query.where(project_condition(project_ids))
    if before is not None:
        # Of the same account only: another tenant's request id must not reveal when it was called.
        cursor = select(Usage.started_at).where(col(Usage.request_id) == before)
        if account_id is not None:
            cursor = cursor.where(col(Usage.account_id) == account_id)
        position = tuple_(col(Usage.started_at), col(Usage.request_id))
        query = query.where(position < tuple_(cursor.scalar_subquery(), literal(before)))
    return list((await session.scalars(query.limit(limit))).all())


async def list_linked_usage(
    session: AsyncSession, account_id: UUID, parent_id: UUID, limit: int
) -> list[Usage]:
    """List the usage rows of the calls that were made for one call of an account, oldest first."""
    query = select(Usage).where(
        col(Usage.account_id) == account_id, col(Usage.parent_id) == parent_id
    )
    query = query.order_by(col(Usage.started_at), col(Usage.request_id)).limit(limit)
    return list((await session.scalars(query)).all())


def usage_to_json(row: Usage) -> dict[str, Any]:
    """Return a usage row as shown by the API and the CLI; unknown quantities are null."""
    fix = find_suggested_fix(row.error_code, row.status)
    return {
        "request_id": ids.format_id(REQUEST_ID_PREFIX, row.request_id),
        "account_id": row.account_id and ids.format_id("acct", row.account_id),
        "key_id": row.key_id and ids.format_id("key", row.key_id),
        "project_id": project_public_id(row.project_id, row.account_id),
        "operation": row.operation,
        "model": row.model,
        "service_tier": row.service_tier,
        "streamed": row.streamed,
        "settlement": row.settlement,
        "status": row.status,
        "error_code": row.error_code,
        "error_message": row.error_message,
        "error_param": row.error_param,
        "requested_model": row.requested_model,
        "suggested_fix": None if fix is None else fix.en,
        **{meter: getattr(row, meter) for meter in (*METERS, REASONING_TOKENS)},
        "cost": nano_text(row.cost_nano),
        "currency": row.currency,
        "started_at": row.started_at.isoformat(),
        "duration_ms": row.duration_us / 1000,
        "first_chunk_ms": None if row.first_chunk_us is None else row.first_chunk_us / 1000,
        "plan_version": row.plan_version_id and row.plan_version_id.hex,
        "tags": row.tags or {},
        "included": {
            meter: sum(by_quota.values()) for meter, by_quota in (row.covered or {}).items()
        },
        "parent_id": row.parent_id and ids.format_id(REQUEST_ID_PREFIX, row.parent_id),
    }


def usage_column_values(record: UsageRecord) -> dict[str, Any]:
    """Return the column values of the usage row for a record."""
    values = dict(zip(USAGE_COLUMNS, _column_values(record), strict=True))
    values["settlement"] = record.settlement.value
    if record.tags is not None:
        values["tags"] = dict(record.tags)
    return values
