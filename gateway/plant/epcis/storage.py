"""Read an account's events from PostgreSQL: queries by page, single events, and traces."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    literal,
    or_,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from gateway.plant.epcis.errors import EventNotFound, QueryInvalid, QueryTooLarge
from gateway.plant.epcis.gs1_keys import digital_link
from gateway.plant.epcis.json_conditions import JsonCondition
from gateway.plant.epcis.queries import EventQuery, ItemMatch
from gateway.tables import PlantCapture, PlantEvent, PlantEventItem


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, and the token of the next one."""

    rows: Sequence[PlantEvent]
    next_token: str | None = None


EventPosition = tuple[datetime, UUID]
"""The time of capture and the id of an event, in whose order subscriptions deliver events."""


@dataclass(frozen=True, slots=True)
class EventWindow:
    """Events that meet a query among the next events of an account, and the last one's position.

    `is_last` says whether there are no more events.
    """

    rows: Sequence[PlantEvent]
    position: EventPosition
    is_last: bool


async def find_events(session: AsyncSession, account_id: UUID, query: EventQuery) -> EventPage:
    """Return a page of the account's events that meet all conditions. Raises QueryInvalid.

    `eventCountLimit` limits all pages together; the token says how many came before.
    """
    order = col(getattr(PlantEvent, query.order_by)), col(PlantEvent.id)
    position = None if query.page_token is None else _read_token(query.page_token)
    count = 0 if position is None else position[2]
    per_page = query.per_page
    if query.limit is not None:
        per_page = min(per_page, query.limit - count)
    statement = select(PlantEvent).where(*_conditions(account_id, query))
    if query.most is not None and position is None:
        await _require_at_most(session, statement, query.most)
    if position is not None:
        place = tuple_(*order)
        statement = statement.where(
            place < position[:2] if query.descending else place > position[:2]
        )
    sorted_by = [one.desc() if query.descending else one.asc() for one in order]
    rows = (await session.scalars(statement.order_by(*sorted_by).limit(per_page + 1))).all()
    shown = rows[:per_page]
    seen = count + len(shown)
    is_last = len(rows) <= per_page or seen == query.limit
    return EventPage(shown, None if is_last else _write_token(shown[-1], query.order_by, seen))


async def events_after(
    session: AsyncSession,
    account_id: UUID,
    query: EventQuery,
    position: EventPosition,
    until: datetime,
    limit: int,
) -> EventWindow:
    """Look at the next `limit` events of the account after a position, captured until a time."""
    order = col(PlantEvent.record_time), col(PlantEvent.id)
    is_after = tuple_(*order) > position
    looked_at = (
        select(*order)
        .where(
            col(PlantEvent.account_id) == account_id,
            is_after,
            col(PlantEvent.record_time) <= until,
        )
        .order_by(*order)
        .limit(limit)
        .subquery()
    )
    place = looked_at.c.record_time, looked_at.c.id
    last = select(*place, func.count().over()).order_by(*(one.desc() for one in place)).limit(1)
    found = (await session.execute(last)).first()
    if found is None:
        return EventWindow((), position, True)
    time, event_id, count = found
    end = (time, event_id)
    statement = select(PlantEvent).where(
        *_conditions(account_id, query), is_after, tuple_(*order) <= end
    )
    rows = (await session.scalars(statement.order_by(*order))).all()
    return EventWindow(rows, end, count < limit)


async def _require_at_most(
    session: AsyncSession, statement: SelectOfScalar[PlantEvent], most: int
) -> None:
    """Raise QueryTooLarge if a query finds more than `most` events."""
    counted = select(func.count()).select_from(statement.limit(most + 1).subquery())
    if (await session.scalars(counted)).one() > most:
        raise QueryTooLarge(f"The query finds more than {most} events.", param="maxEventCount")


async def get_events(
    session: AsyncSession, account_id: UUID, event_id: str
) -> Sequence[PlantEvent]:
    """Return an event and its error declaration, if there is one. Raises EventNotFound."""
    query = select(PlantEvent).where(
        col(PlantEvent.account_id) == account_id, col(PlantEvent.event_id) == event_id
    )
    rows = (await session.scalars(query.order_by(col(PlantEvent.id)))).all()
    if not rows:
        raise EventNotFound("The account has no such event.", param="eventID")
    return rows


async def get_capture(session: AsyncSession, account_id: UUID, capture_id: UUID) -> PlantCapture:
    """Return a capture job. Raises EventNotFound."""
    query = select(PlantCapture).where(
        col(PlantCapture.account_id) == account_id, col(PlantCapture.id) == capture_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise EventNotFound("The account has no such capture job.", param="captureID")
    return row


async def list_captures(
    session: AsyncSession, account_id: UUID, limit: int, before: UUID | None = None
) -> Sequence[PlantCapture]:
    """Return capture jobs, the newest first, captured before one of them."""
    query = select(PlantCapture).where(col(PlantCapture.account_id) == account_id)
    if before is not None:
        query = query.where(col(PlantCapture.id) < before)
    return (await session.scalars(query.order_by(col(PlantCapture.id).desc()).limit(limit))).all()


def _conditions(account_id: UUID, query: EventQuery) -> list[ColumnElement[bool]]:
    """Return the conditions of a query."""
    found: list[ColumnElement[bool]] = [col(PlantEvent.account_id) == account_id]
    if query.types:
        found.append(col(PlantEvent.type).in_(query.types))
    if query.is_declaration is not None:
        found.append(col(PlantEvent.is_declaration) == query.is_declaration)
    for name, values in query.columns.items():
        found.append(col(getattr(PlantEvent, name)).in_(values))
    for bound in query.times:
        column = col(getattr(PlantEvent, bound.column))
        found.append(column >= bound.time if bound.operator == "ge" else column < bound.time)
    found += [_matching(account_id, match) for match in query.matches]
    found += [_meets(condition) for condition in query.json]
    return found


def _matching(account_id: UUID, match: ItemMatch) -> ColumnElement[bool]:
    """Return the condition that an event names one of the items."""
    item = col(PlantEventItem.item)
    plain = [digital_link(one) for one in match.items if not one.endswith("*")]
    patterns = [one[:-1] for one in match.items if one.endswith("*")]
    named: list[ColumnElement[bool]] = [item.in_(plain)] if plain else []
    if patterns:
        epcs = [_pattern_start(one) for one in patterns]
        named += [_starts_with(col(PlantEventItem.epc), epcs), _starts_with(item, patterns)]
    return exists().where(
        and_(
            col(PlantEventItem.event) == col(PlantEvent.id),
            col(PlantEventItem.account_id) == account_id,
            col(PlantEventItem.role).in_(match.roles),
            col(PlantEventItem.is_class) == match.is_class,
            or_(*named),
        )
    )


def _starts_with(column: Mapped[str], starts: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a text begins with one of the texts."""
    escaped = [re.sub(r"([\\%_])", r"\\\1", one) + "%" for one in starts]
    return column.like(any_(literal(escaped, ARRAY(Text))))


def _pattern_start(text: str) -> str:
    """Return the start of the EPCs that a pattern such as `urn:epc:idpat:sgtin:…` stands for."""
    return text.replace("urn:epc:idpat:", "urn:epc:id:")


def _meets(condition: JsonCondition) -> ColumnElement[bool]:
    """Return the condition that one of the paths finds something in an event."""
    found = [
        func.jsonb_path_exists(
            col(PlantEvent.body),
            cast(path, JSONPATH),
            cast(variables, JSONB),
            true(),  # values of other types do not match
        )
        for path, variables in condition.paths
    ]
    return or_(*found)


def _write_token(row: PlantEvent, column: str, seen: int) -> str:
    """Return the token of the page after a row."""
    moment: datetime = getattr(row, column)
    text = f"{moment.isoformat()} {row.id.hex} {seen}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[datetime, UUID, int]:
    """Return the position of a page. Raises QueryInvalid."""
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        moment, row_id, seen = text.split(" ")
        return datetime.fromisoformat(moment), UUID(hex=row_id), int(seen)
    except ValueError:
        raise QueryInvalid("`nextPageToken` is invalid.", param="nextPageToken") from None
