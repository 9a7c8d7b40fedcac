"""Search of usage rows by account, time, status, model, key, tag and error code.

Rows are listed newest first or in commit order, which is used to follow new calls.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, text, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.error_fixes import ANY_ERROR
from billing.tables import Usage

SelectT = TypeVar("SelectT", bound=Select[Any])
# A running transaction may still insert rows before rows of later transactions, so a row is listed
# only when all transactions older than its own have ended.
_IS_COMMITTED = text("usage.written_in < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_OLDEST_RUNNING_TRANSACTION = text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Filter of usage rows; unset fields match all rows.

    `statuses` are inclusive ranges of HTTP statuses; `error_codes` may contain ANY_ERROR;
    `account_id` None matches all accounts, for operators only.
    """

    account_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[tuple[int, int]] = ()
    settlements: Sequence[str] = ()
    models: Sequence[str] = ()
    key_id: UUID | None = None
    tags: Mapping[str, str] | None = None
    error_codes: Sequence[str] = ()
    project_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class WriteCursor:
    """A position in commit order: after all rows of transactions before `written_in`, and after
    that transaction's rows up to `request_id`."""

    written_in: int
    request_id: UUID


async def list_newest_usage(
    session: AsyncSession, usage_filter: UsageFilter, limit: int
) -> list[Usage]:
    """List the matching rows, newest first."""
    query = select(Usage).where(_account_condition(usage_filter.account_id))
    query = query.order_by(col(Usage.started_at).desc(), col(Usage.request_id).desc())
    return list((await session.scalars(_apply_filter(query, usage_filter).limit(limit))).all())


async def current_write_cursor(session: AsyncSession) -> WriteCursor:
    """Return the position in commit order from which on further rows may still be committed."""
    transaction_id = (await session.execute(_OLDEST_RUNNING_TRANSACTION)).scalar_one()
    return WriteCursor(int(transaction_id), UUID(int=0))


async def list_usage_after(
    session: AsyncSession, usage_filter: UsageFilter, cursor: WriteCursor, limit: int
) -> list[Usage]:
    """List the matching rows after a position in commit order; each row is returned once."""
    position = tuple_(col(Usage.written_in), col(Usage.request_id))
    after = position > tuple_(*_cursor_values(cursor))
    # The condition on `written_in` is implied by `after`; it lets the planner use its index.
    query = select(Usage).where(_account_condition(usage_filter.account_id), after, _IS_COMMITTED)
    query = query.where(col(Usage.written_in) >= cursor.written_in)
    ordered = _apply_filter(query, usage_filter).order_by(
        col(Usage.written_in), col(Usage.request_id)
    )
    return list((await session.scalars(ordered.limit(limit))).all())


def write_cursor_of(row: Usage) -> WriteCursor:
    """Return the position of a row in commit order."""
    return WriteCursor(row.written_in, row.request_id)


def _cursor_values(cursor: WriteCursor) -> tuple[Any, Any]:
    """Return the cursor as column values in commit order: (transaction, request id)."""
    return cursor.written_in, cursor.request_id


def _account_condition(account_id: UUID | None) -> ColumnElement[bool]:
    """Return the SQL condition for one account_id; None is all accounts, for operators only."""
    return true() if account_id is None else col(Usage.account_id) == account_id


def _apply_filter(query: SelectT, usage_filter: UsageFilter) -> SelectT:
    """Add the filter's conditions to a query of usage rows; unset fields match all rows."""
    conditions: list[ColumnElement[bool]] = []
    if usage_filter.since is not None:
        conditions.append(col(Usage.started_at) >= usage_filter.since)
    if usage_filter.until is not None:
        conditions.append(col(Usage.started_at) < usage_filter.until)
    if usage_filter.key_id is not None:
        conditions.append(col(Usage.key_id) == usage_filter.key_id)
    if usage_filter.project_id is not None:
        conditions.append(project_condition([usage_filter.project_id]))
    if usage_filter.models:
        conditions.append(col(Usage.model).in_(usage_filter.models))
    if usage_filter.error_codes:
        conditions.append(error_condition(usage_filter.error_codes))
    if usage_filter.tags:
        conditions.append(
            col(Usage.tags).op("@>")(func.jsonb_build_object(*_flatten_tags(usage_filter.tags)))
        )
    status_condition = _status_condition(usage_filter)
    return query.where(*conditions, *([] if status_condition is None else [status_condition]))


def _status_condition(usage_filter: UsageFilter) -> ColumnElement[bool] | None:
    """Return the SQL condition for the statuses and settlements; None if the filter has neither."""
    conditions = [col(Usage.status).between(low, high) for low, high in usage_filter.statuses]
    if usage_filter.settlements:
        conditions.append(col(Usage.settlement).in_(usage_filter.settlements))
    return or_(*conditions) if conditions else None


def error_condition(codes: Sequence[str]) -> ColumnElement[bool]:
    """Return the SQL condition for these error codes, or for every error if ANY_ERROR is listed."""
    code = col(Usage.error_code)
    return code.is_not(None) if ANY_ERROR in codes else code.in_(codes)


def project_condition(project_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Return the SQL condition for projects; rows without one are of the default project."""
    return func.coalesce(col(Usage.project_id), col(Usage.account_id)).in_(project_ids)


def _flatten_tags(tags: Mapping[str, str]) -> list[str]:
    """Return names and values in turn, as the arguments of jsonb_build_object."""
    return [part for pair in tags.items() for part in pair]
