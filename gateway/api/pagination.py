"""Paging: what lists share that are read page by page.

Owns the limit, the mark after which a page begins, and the shape of a page.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from litestar.params import QueryParameter

from gateway.call.errors import ParameterInvalid
from infra import ids

Row = TypeVar("Row")

Limit = Annotated[int, QueryParameter(ge=1, le=100)]


def mark_of(prefix: str, after: str | None) -> UUID | None:
    """The id after which a page begins; None for the first. Raises ParameterInvalid."""
    found = None if after is None else ids.parse(prefix, after)
    if after is not None and found is None:
        raise ParameterInvalid(f"`after` is an id, `{prefix}_…`.", param="after")
    return found


def shown_page(rows: Sequence[Row], limit: int, shown: Callable[[Row], Any]) -> dict[str, Any]:
    """OpenAI's list of at most `limit` rows, of which one more was looked for."""
    data = [shown(row) for row in rows[:limit]]
    return {"object": "list", "data": data, "has_more": len(rows) > limit}


def page_either_way(
    rows: Sequence[Row], limit: int, shown: Callable[[Row], Any], backwards: bool
) -> dict[str, Any]:
    """The same of a list that is read from both ends, with the ids of its first and last: rows that
    were read backwards are shown in the list's own order."""
    page = shown_page(rows, limit, shown)
    data = page["data"][::-1] if backwards else page["data"]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {**page, "data": data, "first_id": first, "last_id": last}
