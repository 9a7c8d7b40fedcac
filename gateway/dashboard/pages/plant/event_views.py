"""What the pages of item events show: rows of events and subscriptions; what their forms mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.plant.epcis.errors import QueryInvalid
from gateway.plant.epcis.subscriptions import SUBSCRIPTION_ID_PREFIX
from gateway.plant.epcis.validation import short_term
from gateway.tables import PlantEvent, PlantEventQuery, PlantEventSubscription
from infra import ids

QUERIES_PAGE = "/dashboard/identifiers/queries"
SCHEDULES: Mapping[str, Mapping[str, str]] = {
    "quarter": {"minute": "0,15,30,45"},
    "hour": {"minute": "0"},
    "day": {"hour": "6"},
}
"""Schedules of a subscription by their names in the form; at most one delivery for each time."""
_DIRECT = ("eventType", "MATCH_anyEPC", "EQ_bizStep")
_ITEM_FIELDS = ("epcList", "parentID", "childEPCs", "inputEPCList", "outputEPCList")
_QUANTITY_FIELDS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
_SHOWN_ITEMS = 3


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as a row of a table; `further` counts items beyond those shown."""

    id: str
    time: datetime
    type: str
    items: Sequence[str]
    further: int
    step: str
    disposition: str
    location: str
    is_declaration: bool


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as a row of a table; `timing` is a name of `SCHEDULES`, `stream` or `own`."""

    address: str
    url: str
    timing: str
    row: PlantEventSubscription


def event_rows(rows: Sequence[PlantEvent]) -> list[EventRow]:
    """Return events as rows of a table."""
    return [_event_row(row) for row in rows]


def _event_row(row: PlantEvent) -> EventRow:
    """Return an event as a row of a table."""
    items = list(dict.fromkeys(_items(row.body)))
    return EventRow(
        id=row.event_id,
        time=row.event_time,
        type=row.type,
        items=items[:_SHOWN_ITEMS],
        further=max(0, len(items) - _SHOWN_ITEMS),
        step=short_term(row.biz_step),
        disposition=short_term(row.disposition),
        location=row.biz_location or row.read_point,
        is_declaration=row.is_declaration,
    )


def _items(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the items and classes that an event names."""
    for name in _ITEM_FIELDS:
        value = body.get(name, ())
        yield from [value] if isinstance(value, str) else value
    for name in _QUANTITY_FIELDS:
        yield from (one["epcClass"] for one in body.get(name, ()))


def subscription_rows(
    rows: Sequence[PlantEventSubscription], query: PlantEventQuery
) -> list[SubscriptionRow]:
    """Return the subscriptions of a query as rows of a table."""
    return [
        SubscriptionRow(
            f"{QUERIES_PAGE}/{query.name}/subscriptions/"
            f"{ids.format_id(SUBSCRIPTION_ID_PREFIX, row.id)}",
            row.url,
            _timing(row.schedule),
            row,
        )
        for row in rows
    ]


def _timing(schedule: Mapping[str, Any] | None) -> str:
    """Return the name of a schedule."""
    if schedule is None:
        return "stream"
    return next((name for name, one in SCHEDULES.items() if one == schedule), "own")


def parameters_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the query parameters of a form. Raises QueryInvalid.

    Further parameters are lines `name=value`; values of a list are separated by `|`.
    """
    found: dict[str, Any] = {name: fields[name].strip() for name in _DIRECT if fields[name].strip()}
    for line in filter(str.strip, fields["further"].splitlines()):
        name, sign, value = line.partition("=")
        if not sign or not name.strip() or name.strip() in found:
            raise QueryInvalid("Write each parameter once, as `name=value`.", param="further")
        found[name.strip()] = value.strip()
    return found
