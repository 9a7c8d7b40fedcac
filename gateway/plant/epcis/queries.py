"""EPCIS query parameters: parse them to a query, independent of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.plant.epcis.errors import EventInvalid, QueryInvalid
from gateway.plant.epcis.events import EventType
from gateway.plant.epcis.fields import require_time
from gateway.plant.epcis.json_conditions import JsonCondition, parse_json_condition
from gateway.plant.epcis.validation import short_term

MAX_PER_PAGE = 1_000
DEFAULT_PER_PAGE = 30
MAX_VALUES = 200
# Of all parameters together: fields of each event looked at are compared with each value.
MAX_TOTAL_VALUES = 1_000
_INSTANCE_MATCHES = {
    "MATCH_epc": ("epc", "child"),
    "MATCH_parentID": ("parent",),
    "MATCH_inputEPC": ("input",),
    "MATCH_outputEPC": ("output",),
    "MATCH_anyEPC": ("epc", "child", "parent", "input", "output"),
}
_CLASS_MATCHES = {
    "MATCH_epcClass": ("epc", "child"),
    "MATCH_inputEPCClass": ("input",),
    "MATCH_outputEPCClass": ("output",),
    "MATCH_anyEPCClass": ("epc", "child", "input", "output"),
}
_COLUMNS = {
    "EQ_action": "action",
    "EQ_bizStep": "biz_step",
    "EQ_disposition": "disposition",
    "EQ_readPoint": "read_point",
    "WD_readPoint": "read_point",
    "EQ_bizLocation": "biz_location",
    "WD_bizLocation": "biz_location",
    "EQ_eventID": "event_id",
    "EQ_transformationID": "group_id",
}
_TIMES = {
    "GE_eventTime": ("event_time", "ge"),
    "LT_eventTime": ("event_time", "lt"),
    "GE_recordTime": ("record_time", "ge"),
    "LT_recordTime": ("record_time", "lt"),
    "GE_errorDeclarationTime": ("declared_at", "ge"),
    "LT_errorDeclarationTime": ("declared_at", "lt"),
}
_PAGING = (
    *("perPage", "nextPageToken", "orderBy", "orderDirection"),
    *("eventCountLimit", "maxEventCount"),
)


@dataclass(frozen=True, slots=True)
class ItemMatch:
    """Events that name one of the items in one of the roles; patterns end with `*`."""

    roles: Sequence[str]
    items: Sequence[str]
    is_class: bool


@dataclass(frozen=True, slots=True)
class TimeBound:
    """A bound of a time column."""

    column: str
    operator: Literal["ge", "lt"]
    time: datetime


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A parsed query. All conditions must hold.

    `limit` is the number of events to return at most, `most` the number above which the query
    fails instead.
    """

    types: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    times: Sequence[TimeBound] = ()
    matches: Sequence[ItemMatch] = ()
    json: Sequence[JsonCondition] = ()
    is_declaration: bool | None = None
    order_by: Literal["event_time", "record_time"] = "record_time"
    descending: bool = True
    limit: int | None = None
    most: int | None = None
    per_page: int = DEFAULT_PER_PAGE
    page_token: str | None = None


def parse_query(parameters: Sequence[tuple[str, str]]) -> EventQuery:
    """Parse query parameters; list values are separated by `|`. Raises QueryInvalid."""
    values = _collect(parameters)
    if "eventCountLimit" in values and "maxEventCount" in values:
        raise QueryInvalid(
            "Use either `eventCountLimit` or `maxEventCount`.", param="maxEventCount"
        )
    return EventQuery(
        types=_types(values),
        columns=_columns(values),
        times=[
            TimeBound(column, "ge" if operator == "ge" else "lt", _time(name, values[name][0]))
            for name, (column, operator) in _TIMES.items()
            if name in values
        ],
        matches=_matches(values),
        json=[_json_condition(name, values[name]) for name in values if name not in _KNOWN],
        is_declaration=_exists(values),
        order_by=_order_by(values),
        descending=_one(values, "orderDirection", "DESC", ("ASC", "DESC")) == "DESC",
        limit=_number(values, "eventCountLimit", None, 100_000),
        most=_number(values, "maxEventCount", None, 100_000),
        per_page=_number(values, "perPage", DEFAULT_PER_PAGE, MAX_PER_PAGE) or DEFAULT_PER_PAGE,
        page_token=values.get("nextPageToken", [None])[0],
    )


_KNOWN = frozenset(
    {
        "eventType",
        "EXISTS_errorDeclaration",
        *_INSTANCE_MATCHES,
        *_CLASS_MATCHES,
        *_COLUMNS,
        *_TIMES,
        *_PAGING,
    }
)


def _json_condition(name: str, values: Sequence[str]) -> JsonCondition:
    """Return the condition of a parameter on the JSON of events. Raises QueryInvalid."""
    found = parse_json_condition(name, values)
    if found is None:
        raise QueryInvalid(f"The parameter `{name[:60]}` is not supported.", param=name[:60])
    return found


def _collect(parameters: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """Return the values of each parameter. Raises QueryInvalid."""
    values: dict[str, list[str]] = {}
    total = 0
    for name, text in parameters:
        found = values.setdefault(name, [])
        given = [one for one in text.split("|") if one] or [""]
        found += given
        total += len(given)
        if len(found) > MAX_VALUES:
            raise QueryInvalid(f"`{name}` has more than {MAX_VALUES} values.", param=name)
        if total > MAX_TOTAL_VALUES:
            raise QueryInvalid(f"A query has at most {MAX_TOTAL_VALUES:,} values.", param=name)
    return values


def _types(values: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the event types that are asked for."""
    found = values.get("eventType", ())
    for one in found:
        if one not in tuple(EventType):
            raise QueryInvalid(f"`{one[:60]}` is no event type.", param="eventType")
    return found


def _columns(values: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Return the values of columns, terms of the vocabulary in short form."""
    return {
        column: [short_term(one) for one in values[name]]
        for name, column in _COLUMNS.items()
        if name in values
    }


def _matches(values: Mapping[str, Sequence[str]]) -> Sequence[ItemMatch]:
    """Return the item conditions."""
    return [
        ItemMatch(roles, values[name], is_class)
        for known, is_class in ((_INSTANCE_MATCHES, False), (_CLASS_MATCHES, True))
        for name, roles in known.items()
        if name in values
    ]


def _time(name: str, text: str) -> datetime:
    """Return a time; a `+` that was decoded to a space is accepted."""
    try:
        return require_time(text.replace(" ", "+"), name)
    except EventInvalid as error:
        raise QueryInvalid(error.message, param=name) from None


def _exists(values: Mapping[str, Sequence[str]]) -> bool | None:
    """Return whether only error declarations, or only other events, are asked for."""
    if "EXISTS_errorDeclaration" not in values:
        return None
    return _one(values, "EXISTS_errorDeclaration", "true", ("true", "false")) == "true"


def _order_by(values: Mapping[str, Sequence[str]]) -> Literal["event_time", "record_time"]:
    """Return the column of the order."""
    name = _one(values, "orderBy", "recordTime", ("eventTime", "recordTime"))
    return "event_time" if name == "eventTime" else "record_time"


def _one(
    values: Mapping[str, Sequence[str]], name: str, default: str, allowed: Sequence[str]
) -> str:
    """Return a single value among the allowed ones."""
    found = values.get(name, [default])
    if len(found) != 1 or found[0] not in allowed:
        raise QueryInvalid(f"`{name}` must be one of {', '.join(allowed)}.", param=name)
    return found[0]


def _number(
    values: Mapping[str, Sequence[str]], name: str, default: int | None, most: int
) -> int | None:
    """Return a number from 1."""
    if name not in values:
        return default
    text = values[name][0]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise QueryInvalid(f"`{name}` must be a number from 1 to {most}.", param=name)
    return int(text)
