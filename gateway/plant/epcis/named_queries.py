"""Named queries of an account: stored parameters of the Simple Event Query."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.epcis.errors import EventNotFound, QueryInvalid, QueryNameTaken
from gateway.plant.epcis.queries import EventQuery, parse_query
from gateway.tables import PlantEventQuery
from infra import ids
from infra.clock import Clock

MAX_QUERIES = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,99}")
_MAX_PARAMETERS = 50
_PAGING = ("perPage", "nextPageToken")


async def create_query(
    session: AsyncSession, clock: Clock, account_id: UUID, name: Any, parameters: Any
) -> PlantEventQuery:
    """Store a named query. Raises QueryInvalid, QueryNameTaken."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise QueryInvalid(
            "`name` has 1 to 100 letters, digits, dots, dashes and underscores.", param="name"
        )
    parse_query(parameter_pairs(parameters))
    rows = await list_queries(session, account_id)
    if any(row.name == name for row in rows):
        raise QueryNameTaken(f"The account has a query `{name}` already.", param="name")
    if len(rows) >= MAX_QUERIES:
        raise QueryInvalid(f"An account has at most {MAX_QUERIES} named queries.", param="name")
    row = PlantEventQuery(
        id=ids.new_id(),
        account_id=account_id,
        name=name,
        created_at=clock.now(),
        parameters=parameters,
    )
    session.add(row)
    await session.flush()
    return row


async def list_queries(session: AsyncSession, account_id: UUID) -> Sequence[PlantEventQuery]:
    """Return the named queries of an account by name."""
    query = select(PlantEventQuery).where(col(PlantEventQuery.account_id) == account_id)
    return (await session.scalars(query.order_by(func.lower(col(PlantEventQuery.name))))).all()


async def get_query(session: AsyncSession, account_id: UUID, name: str) -> PlantEventQuery:
    """Return a named query. Raises EventNotFound."""
    query = select(PlantEventQuery).where(
        col(PlantEventQuery.account_id) == account_id, col(PlantEventQuery.name) == name
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise EventNotFound("The account has no such named query.", param="queryName")
    return row


async def delete_query(session: AsyncSession, account_id: UUID, name: str) -> None:
    """Delete a named query with its subscriptions. Raises EventNotFound."""
    row = await get_query(session, account_id, name)
    await session.execute(delete(PlantEventQuery).where(col(PlantEventQuery.id) == row.id))


def stored_query(row: PlantEventQuery, paging: Sequence[tuple[str, str]] = ()) -> EventQuery:
    """Return the query of a row with the page that a request asks for. Raises QueryInvalid."""
    for name, _ in paging:
        if name not in _PAGING:
            raise QueryInvalid(f"`{name[:60]}` is part of the named query.", param=name[:60])
    pairs = [pair for pair in parameter_pairs(row.parameters) if pair[0] not in dict(paging)]
    return parse_query([*pairs, *paging])


def parameter_pairs(parameters: Any) -> list[tuple[str, str]]:
    """Return the parameters of a JSON object as pairs. Raises QueryInvalid."""
    if not isinstance(parameters, Mapping) or len(parameters) > _MAX_PARAMETERS:
        raise QueryInvalid(
            f"`query` is an object of at most {_MAX_PARAMETERS} parameters.", param="query"
        )
    return [
        (name, _text(name, one))
        for name, value in parameters.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def _text(name: str, value: Any) -> str:
    """Return a value as a query parameter. Raises QueryInvalid."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise QueryInvalid(f"`{name[:60]}` must be a text, a number or a list.", param=name[:60])
