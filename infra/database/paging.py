"""Pages of rows in the order of their ids, which are the order of their creation."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Mapped

_Query = TypeVar("_Query", bound=Select[Any])


def page_of(
    query: _Query, key: Mapped[UUID], limit: int, after: UUID | None, ascending: bool = False
) -> _Query:
    """Return a query for a page: at most `limit` rows, newest first unless `ascending`.

    `key` is the id of the rows, `after` that of the last row of the page before.
    """
    if after is not None:
        query = query.where(key > after if ascending else key < after)
    return query.order_by(key if ascending else key.desc()).limit(limit)
