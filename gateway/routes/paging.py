"""Paging: what lists share that are read page by page, the newest first.

Owns the limit and the mark after which a page begins. Does not own any list.
"""

from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from gateway.errors import ParameterInvalid
from infra import ids

Limit = Annotated[int, QueryParameter(ge=1, le=100)]


def mark_of(prefix: str, after: str | None) -> UUID | None:
    """The id after which a page begins; None for the first. Raises ParameterInvalid."""
    found = None if after is None else ids.parse(prefix, after)
    if after is not None and found is None:
        raise ParameterInvalid(f"`after` is an id, `{prefix}_…`.", param="after")
    return found
