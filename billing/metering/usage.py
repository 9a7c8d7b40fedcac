"""Usage rows: appended by the gateway, read by people and by billing.

Owns the value that becomes a row, appending it once and the listing that the API and the CLI share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, literal, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.error_fixes import fix_of
from billing.metering.usage_search import has_error
from billing.money import nano_text
from billing.rating.quantities import METERS, Quantities
from billing.tables import Settlement, Usage
from infra import ids

REQUEST_PREFIX = "req"
# What a writer says of a call; the database itself adds which transaction wrote it.
USAGE_COLUMNS = tuple(
    column.name for column in inspect(Usage).columns if column.name != "written_in"
)


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One ended call, priced by a version of plan terms. `covered` are units that the plan
    includes, by meter and by the quota that they were taken from; `parent_id` is the call that it
    was made for. Raises ValueError where it would bill what may not be billed."""

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

    @property
    def taken(self) -> dict[str, int]:
        """The covered units by quota."""
        if self.covered is None:
            return {}
        return {quota: units for of in self.covered.values() for quota, units in of.items()}

    def __post_init__(self) -> None:
        if (self.cost_nano or self.covered) and not (
            self.settlement.billable and self.account_id and self.currency
        ):
            raise ValueError(f"a call settled as {self.settlement} without a payer costs nothing")


async def append_usage(session: AsyncSession, records: Sequence[UsageRecord]) -> None:
    """Append rows; one whose request is there already is left as it is.

    A commit whose answer was lost is tried again by the writer: the request id makes it once.
    """
    statement = insert(Usage).on_conflict_do_nothing(index_elements=["request_id"])
    await session.execute(statement, [usage_row(record) for record in records])


async def list_usage(
    session: AsyncSession,
    *,
    account_id: UUID | None,
    limit: int,
    before: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    error_code: str | None = None,
) -> list[Usage]:
    """The newest rows first. `account_id` None is the operator's view of every account;
    `error_code` may be ANY_ERROR."""
    query = select(Usage).order_by(col(Usage.started_at).desc(), col(Usage.request_id).desc())
    if account_id is not None:
        query = query.where(col(Usage.account_id) == account_id)
    if since is not None:
        query = query.where(col(Usage.started_at) >= since)
    if until is not None:
        query = query.where(col(Usage.started_at) < until)
    if error_code is not None:
        query = query.where(has_error([error_code]))
    if before is not None:
        # Of the same account: another tenant's request id must not tell when that call was.
        mark = select(Usage.started_at).where(col(Usage.request_id) == before)
        if account_id is not None:
            mark = mark.where(col(Usage.account_id) == account_id)
        place = tuple_(col(Usage.started_at), col(Usage.request_id))
        query = query.where(place < tuple_(mark.scalar_subquery(), literal(before)))
    return list((await session.scalars(query.limit(limit))).all())


def show_usage(row: Usage) -> dict[str, Any]:
    """A row as the API and `maas usage --json` show it; an unknown quantity is null."""
    fix = fix_of(row.error_code, row.status)
    return {
        "request_id": ids.show(REQUEST_PREFIX, row.request_id),
        "account_id": row.account_id and ids.show("acct", row.account_id),
        "key_id": row.key_id and ids.show("key", row.key_id),
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
        **{meter: getattr(row, meter) for meter in METERS},
        "cost": nano_text(row.cost_nano),
        "currency": row.currency,
        "started_at": row.started_at.isoformat(),
        "duration_ms": row.duration_us / 1000,
        "first_chunk_ms": None if row.first_chunk_us is None else row.first_chunk_us / 1000,
        "plan_version": row.plan_version_id and row.plan_version_id.hex,
        "tags": row.tags or {},
        "included": {meter: sum(of.values()) for meter, of in (row.covered or {}).items()},
        "parent_id": row.parent_id and ids.show(REQUEST_PREFIX, row.parent_id),
    }


def usage_row(record: UsageRecord) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "account_id": record.account_id,
        "key_id": record.key_id,
        "operation": record.operation,
        "model": record.model,
        "streamed": record.streamed,
        "settlement": record.settlement.value,
        "status": record.status,
        "error_code": record.error_code,
        "error_message": record.error_message,
        "error_param": record.error_param,
        "requested_model": record.requested_model,
        **{meter: getattr(record.quantities, meter) for meter in METERS},
        "cost_nano": record.cost_nano,
        "currency": record.currency,
        "started_at": record.started_at,
        "duration_us": record.duration_us,
        "first_chunk_us": record.first_chunk_us,
        "plan_version_id": record.plan_version_id,
        "tags": None if record.tags is None else dict(record.tags),
        "covered": record.covered,
        "parent_id": record.parent_id,
        "service_tier": record.service_tier,
    }
