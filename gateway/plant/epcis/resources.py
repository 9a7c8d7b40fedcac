"""Top-level resources of EPCIS 2.0: the values of a dimension that occur in an account's events."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.epcis.errors import QueryInvalid
from gateway.plant.epcis.queries import DEFAULT_PER_PAGE, MAX_PER_PAGE
from gateway.tables import PlantEvent, PlantEventItem

# Query parameter by which the events of a resource are found.
RESOURCES: Mapping[str, str] = {
    "eventTypes": "eventType",
    "epcs": "MATCH_anyEPC",
    "bizSteps": "EQ_bizStep",
    "bizLocations": "EQ_bizLocation",
    "readPoints": "EQ_readPoint",
    "dispositions": "EQ_disposition",
}
_COLUMNS = {
    "eventTypes": col(PlantEvent.type),
    "bizSteps": col(PlantEvent.biz_step),
    "bizLocations": col(PlantEvent.biz_location),
    "readPoints": col(PlantEvent.read_point),
    "dispositions": col(PlantEvent.disposition),
}


@dataclass(frozen=True, slots=True)
class ResourcePage:
    """Values in their order, and the token of the next page."""

    values: Sequence[str]
    next_token: str | None = None


async def list_values(
    session: AsyncSession, account_id: UUID, resource: str, per_page: int, token: str | None
) -> ResourcePage:
    """Return a page of the values of a dimension. Raises QueryInvalid."""
    if resource == "epcs":
        column, owner = col(PlantEventItem.epc), col(PlantEventItem.account_id)
    else:
        column, owner = _COLUMNS[resource], col(PlantEvent.account_id)
    query = select(column).where(owner == account_id, column > _read_token(token)).distinct()
    found = list(await session.scalars(query.order_by(column).limit(per_page + 1)))
    shown = found[:per_page]
    return ResourcePage(shown, _write_token(shown[-1]) if len(found) > per_page else None)


def parse_per_page(text: str | None) -> int:
    """Return the size of a page. Raises QueryInvalid."""
    if text is None:
        return DEFAULT_PER_PAGE
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_PER_PAGE:
        raise QueryInvalid(f"`perPage` must be a number from 1 to {MAX_PER_PAGE}.", param="perPage")
    return int(text)


def _write_token(value: str) -> str:
    """Return the token of the page after a value."""
    return urlsafe_b64encode(value.encode()).decode().rstrip("=")


def _read_token(token: str | None) -> str:
    """Return the value that a page begins after, empty for the first. Raises QueryInvalid."""
    try:
        padded = (token or "") + "=" * (-len(token or "") % 4)
        text = b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        text = "\0"
    if "\0" in text:
        raise QueryInvalid("`nextPageToken` is invalid.", param="nextPageToken")
    return text
