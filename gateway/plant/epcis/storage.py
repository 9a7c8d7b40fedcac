"""Read an account's events from PostgreSQL: queries by page, single events, and traces."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.epcis.errors import EventNotFound, QueryInvalid
from gateway.plant.epcis.gs1_keys import digital_link
from gateway.plant.epcis.queries import EventQuery, ItemMatch
from gateway.tables import PlantCapture, PlantEvent, PlantEventItem


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, and the token of the next one."""

    rows: Sequence[PlantEvent]
    next_token: str | None = None


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
    for kind, transactions in query.transactions.items():
        found.append(or_(*(_has_transaction(kind, one) for one in transactions)))
    return found


def _matching(account_id: UUID, match: ItemMatch) -> ColumnElement[bool]:
    """Return the condition that an event names one of the items."""
    item = col(PlantEventItem.item)
    plain = [digital_link(one) for one in match.items if not one.endswith("*")]
    patterns = [one[:-1] for one in match.items if one.endswith("*")]
    named: list[ColumnElement[bool]] = [item.in_(plain)] if plain else []
    named += [
        or_(
            col(PlantEventItem.epc).startswith(_pattern_start(one), autoescape=True),
            item.startswith(one, autoescape=True),
        )
        for one in patterns
    ]
    return exists().where(
        and_(
            col(PlantEventItem.event) == col(PlantEvent.id),
            col(PlantEventItem.account_id) == account_id,
            col(PlantEventItem.role).in_(match.roles),
            col(PlantEventItem.is_class) == match.is_class,
            or_(*named),
        )
    )


def _pattern_start(text: str) -> str:
    """Return the start of the EPCs that a pattern such as `urn:epc:idpat:sgtin:…` stands for."""
    return text.replace("urn:epc:idpat:", "urn:epc:id:")


def _has_transaction(kind: str, transaction: str) -> ColumnElement[bool]:
    """Return the condition that an event has a business transaction of a type."""
    entry: dict[str, Any] = {"bizTransaction": transaction, "type": kind}
    return col(PlantEvent.body).contains({"bizTransactionList": [entry]})


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
