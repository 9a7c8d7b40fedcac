"""Searching usage rows: by account, time, status, model, key, tag and error code.

Owns the conditions and two orders: the newest calls first, and the order of writing, by which new
calls are followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, text, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.error_fixes import ANY_ERROR
from billing.tables import Usage

Rows = TypeVar("Rows", bound=Select[Any])
# Transactions that are still running may write rows before those of later ones: a row is shown
# once none of them can.
_SETTLED = text("usage.written_in < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_CUT = text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which calls are wanted; None everywhere is all of them. `statuses` are pairs of the lowest
    and highest HTTP status, ANY_ERROR may be among `error_codes`; `account_id` None is the
    operator's view of every account."""

    account_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[tuple[int, int]] = ()
    settlements: Sequence[str] = ()
    models: Sequence[str] = ()
    key_id: UUID | None = None
    tags: Mapping[str, str] | None = None
    error_codes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of writing: rows of transactions before `written_in`, and of this one
    those up to a request, are behind it."""

    written_in: int
    request_id: UUID


async def newest_usage(session: AsyncSession, wanted: UsageFilter, limit: int) -> list[Usage]:
    """The newest calls first."""
    query = select(Usage).where(_of(wanted.account_id))
    query = query.order_by(col(Usage.started_at).desc(), col(Usage.request_id).desc())
    return list((await session.scalars(_filtered(query, wanted).limit(limit))).all())


async def place_now(session: AsyncSession) -> Place:
    """Where rows that are written from now on begin."""
    cut = (await session.execute(_CUT)).scalar_one()
    return Place(int(cut), UUID(int=0))


async def usage_after(
    session: AsyncSession, wanted: UsageFilter, place: Place, limit: int
) -> list[Usage]:
    """The rows written after a place, in the order of writing; each is found once."""
    at = tuple_(col(Usage.written_in), col(Usage.request_id))
    after = at > tuple_(*_values(place))
    # The first condition alone would be enough but for the index, which is of one column.
    query = select(Usage).where(_of(wanted.account_id), after, _SETTLED)
    query = query.where(col(Usage.written_in) >= place.written_in)
    ordered = _filtered(query, wanted).order_by(col(Usage.written_in), col(Usage.request_id))
    return list((await session.scalars(ordered.limit(limit))).all())


def place_of(row: Usage) -> Place:
    return Place(row.written_in, row.request_id)


def _values(place: Place) -> tuple[Any, Any]:
    return place.written_in, place.request_id


def _of(account_id: UUID | None) -> ColumnElement[bool]:
    """Of one account; None is the operator's view of every account."""
    return true() if account_id is None else col(Usage.account_id) == account_id


def _filtered(query: Rows, wanted: UsageFilter) -> Rows:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(col(Usage.started_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Usage.started_at) < wanted.until)
    if wanted.key_id is not None:
        conditions.append(col(Usage.key_id) == wanted.key_id)
    if wanted.models:
        conditions.append(col(Usage.model).in_(wanted.models))
    if wanted.error_codes:
        conditions.append(has_error(wanted.error_codes))
    if wanted.tags:
        conditions.append(col(Usage.tags).op("@>")(func.jsonb_build_object(*_pairs(wanted.tags))))
    ended = _ended(wanted)
    return query.where(*conditions, *([] if ended is None else [ended]))


def _ended(wanted: UsageFilter) -> ColumnElement[bool] | None:
    """Any of the statuses or settlements."""
    found = [col(Usage.status).between(low, high) for low, high in wanted.statuses]
    if wanted.settlements:
        found.append(col(Usage.settlement).in_(wanted.settlements))
    return or_(*found) if found else None


def has_error(codes: Sequence[str]) -> ColumnElement[bool]:
    """Any of these error codes; any at all where ANY_ERROR is among them."""
    code = col(Usage.error_code)
    return code.is_not(None) if ANY_ERROR in codes else code.in_(codes)


def _pairs(tags: Mapping[str, str]) -> list[str]:
    return [part for pair in tags.items() for part in pair]
