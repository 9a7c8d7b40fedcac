"""Cursor pagination of lists: the page size, the cursor, and OpenAI's list object."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from litestar.params import QueryParameter

from gateway.call.errors import ParameterInvalid
from infra import ids

Row = TypeVar("Row")

PageLimit = Annotated[int, QueryParameter(ge=1, le=100)]


def parse_cursor(prefix: str, after: str | None) -> UUID | None:
    """Return the id after which the page begins, None for the first page.

    Raises ParameterInvalid.
    """
    cursor = None if after is None else ids.parse_id(prefix, after)
    if after is not None and cursor is None:
        raise ParameterInvalid(
            f"`after` must be an id that starts with `{prefix}_`.", param="after"
        )
    return cursor


def page_json(rows: Sequence[Row], limit: int, format_row: Callable[[Row], Any]) -> dict[str, Any]:
    """Return OpenAI's list of at most `limit` rows.

    Pass one row more than the limit, from which `has_more` is derived.
    """
    data = [format_row(row) for row in rows[:limit]]
    return {"object": "list", "data": data, "has_more": len(rows) > limit}


def bidirectional_page_json(
    rows: Sequence[Row], limit: int, format_row: Callable[[Row], Any], backwards: bool
) -> dict[str, Any]:
    """Return a page of a list that can be read in both directions, with its first and last ids.

    Rows that were read backwards are reversed into the list's own order.
    """
    page = page_json(rows, limit, format_row)
    data = page["data"][::-1] if backwards else page["data"]
    first_id, last_id = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {**page, "data": data, "first_id": first_id, "last_id": last_id}
