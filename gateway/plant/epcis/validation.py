"""Validate EPCIS 2.0 events in GS1's JSON shape and extract what is indexed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.plant.epcis.errors import EventInvalid
from gateway.plant.epcis.events import (
    CALL_FIELD,
    CALL_NAMESPACE,
    Event,
    EventType,
    ItemReference,
    Role,
)
from gateway.plant.epcis.fields import (
    invalid,
    require_list,
    require_number,
    require_object,
    require_offset,
    require_term,
    require_time,
    require_uom,
    require_uri,
)
from gateway.plant.epcis.hashing import event_hash_id

MAX_FUTURE = timedelta(days=1)
MAX_DEPTH = 20
_ACTIONS = ("ADD", "OBSERVE", "DELETE")
_COMMON = (
    "@context",
    "type",
    "eventTime",
    "recordTime",
    "eventTimeZoneOffset",
    "eventID",
    "certificationInfo",
    "errorDeclaration",
    "bizStep",
    "disposition",
    "persistentDisposition",
    "readPoint",
    "bizLocation",
    "bizTransactionList",
    "sourceList",
    "destinationList",
    "sensorElementList",
)
_AGGREGATION = ("action", "parentID", "childEPCs", "childQuantityList")
_FIELDS: Mapping[EventType, Sequence[str]] = {
    EventType.OBJECT: ("action", "epcList", "quantityList", "ilmd"),
    EventType.AGGREGATION: _AGGREGATION,
    EventType.ASSOCIATION: _AGGREGATION,
    EventType.TRANSACTION: ("action", "parentID", "epcList", "quantityList"),
    EventType.TRANSFORMATION: (
        "inputEPCList",
        "inputQuantityList",
        "outputEPCList",
        "outputQuantityList",
        "transformationID",
        "ilmd",
    ),
}
_INSTANCE_LISTS = {
    "epcList": Role.EPC,
    "childEPCs": Role.CHILD,
    "inputEPCList": Role.INPUT,
    "outputEPCList": Role.OUTPUT,
}
_CLASS_LISTS = {
    "quantityList": Role.EPC,
    "childQuantityList": Role.CHILD,
    "inputQuantityList": Role.INPUT,
    "outputQuantityList": Role.OUTPUT,
}


def parse_event(raw: Any, context: Sequence[Any], now: datetime) -> Event:
    """Validate an event and return it with an id: its own, or the hash of CBV 2.0.

    `context` is the document's JSON-LD context. Raises EventInvalid.
    """
    if not isinstance(raw, dict):
        raise invalid("An event must be an object", "eventList")
    kind = _type(raw)
    require_object(raw, kind.value, (*_COMMON, *_FIELDS[kind]))
    _require_depth(raw, MAX_DEPTH)
    time = require_time(raw.get("eventTime"), "eventTime")
    if time > now + MAX_FUTURE:
        raise invalid("`eventTime` is more than a day in the future", "eventTime")
    require_offset(raw.get("eventTimeZoneOffset"))
    items = _items(raw)
    _require_complete(raw, kind, items)
    _check_business_fields(raw)
    full_context = (*context, *_as_list(raw.get("@context")))
    declared_at, corrective_ids = _error_declaration(raw)
    read_point, biz_location = _place(raw, "readPoint"), _place(raw, "bizLocation")
    transformation_id = _optional(require_uri, raw, "transformationID")
    event_id = _event_id(raw, full_context)
    return Event(
        id=event_id,
        type=kind,
        time=time,
        action=raw.get("action", ""),
        body={**raw, "eventID": event_id},
        items=items,
        biz_step=short_term(raw.get("bizStep", "")),
        disposition=short_term(raw.get("disposition", "")),
        read_point=read_point,
        biz_location=biz_location,
        transformation_id=transformation_id,
        declared_at=declared_at,
        corrective_ids=corrective_ids,
        request_id=_request_id(raw, full_context),
        context=full_context,
    )


def short_term(term: str) -> str:
    """Return a term of the Core Business Vocabulary without its namespace, others unchanged."""
    for marker in ("BizStep-", "Disp-"):
        head, found, tail = term.partition(f"gs1.org/cbv/{marker}")
        if found and head in ("https://ref.", "https://ns."):
            return tail
    for head in ("urn:epcglobal:cbv:bizstep:", "urn:epcglobal:cbv:disp:", "cbv:BizStep-"):
        if term.startswith(head):
            return term.removeprefix(head)
    return term.removeprefix("cbv:Disp-")


def _type(raw: Mapping[str, Any]) -> EventType:
    """Return the type of an event. Raises EventInvalid."""
    try:
        return EventType(str(raw.get("type")))
    except ValueError:
        names = ", ".join(EventType)
        raise EventInvalid(f"`type` must be one of {names}.", param="type") from None


def _items(raw: Mapping[str, Any]) -> tuple[ItemReference, ...]:
    """Return the items of an event, checked."""
    items = [
        ItemReference(role, require_uri(epc, name))
        for name, role in _INSTANCE_LISTS.items()
        if name in raw
        for epc in require_list(raw[name], name)
    ]
    items += [
        _quantity(entry, name, role)
        for name, role in _CLASS_LISTS.items()
        if name in raw
        for entry in require_list(raw[name], name)
    ]
    if "parentID" in raw:
        items.append(ItemReference(Role.PARENT, require_uri(raw["parentID"], "parentID")))
    return tuple(items)


def _quantity(entry: Any, name: str, role: Role) -> ItemReference:
    """Return the item of a quantity element."""
    known = require_object(entry, name, ("epcClass", "quantity", "uom"), ("epcClass",))
    quantity = None
    if "quantity" in known:
        quantity = require_number(known["quantity"], "quantity")
        if quantity < 0:
            raise invalid("`quantity` must not be negative", "quantity")
    uom = require_uom(known["uom"]) if "uom" in known else ""
    return ItemReference(role, require_uri(known["epcClass"], "epcClass"), True, quantity, uom)


def _require_complete(
    raw: Mapping[str, Any], kind: EventType, items: Sequence[ItemReference]
) -> None:
    """Raise EventInvalid unless the event has an action and items as its type needs them."""
    roles = {item.role for item in items}
    if kind is EventType.TRANSFORMATION:
        if "transformationID" not in raw and not {Role.INPUT, Role.OUTPUT} <= roles:
            raise invalid("A TransformationEvent needs inputs and outputs", "inputEPCList")
        if not roles & {Role.INPUT, Role.OUTPUT}:
            raise invalid("A TransformationEvent needs inputs or outputs", "inputEPCList")
        return
    if raw.get("action") not in _ACTIONS:
        raise invalid("`action` must be ADD, OBSERVE or DELETE", "action")
    if kind is EventType.TRANSACTION and not raw.get("bizTransactionList"):
        raise invalid("A TransactionEvent needs `bizTransactionList`", "bizTransactionList")
    if kind is EventType.ASSOCIATION and "parentID" not in raw:
        raise invalid("An AssociationEvent needs `parentID`", "parentID")
    if kind in (EventType.AGGREGATION, EventType.ASSOCIATION):
        if Role.CHILD not in roles and raw["action"] != "DELETE":
            raise invalid(f"This {kind} needs children", "childEPCs")
        if (
            kind is EventType.AGGREGATION
            and Role.PARENT not in roles
            and raw["action"] != "OBSERVE"
        ):
            raise invalid("An AggregationEvent needs `parentID`, unless it is OBSERVE", "parentID")
    elif not ({"epcList", "quantityList", "sensorElementList"} & raw.keys()):
        raise invalid(f"An {kind} needs `epcList` or `quantityList`", "epcList")


def _check_business_fields(raw: Mapping[str, Any]) -> None:
    """Raise EventInvalid for malformed business steps, places, transactions and sensor reports."""
    for name in ("bizStep", "disposition"):
        _optional(require_term, raw, name)
    _check_persistent_disposition(raw)
    pairs = {
        "bizTransactionList": ("bizTransaction", ()),
        "sourceList": ("source", ("type",)),
        "destinationList": ("destination", ("type",)),
    }
    for name, (key, more) in pairs.items():
        for entry in require_list(raw.get(name, []), name):
            known = require_object(entry, name, ("type", key), (key, *more))
            require_uri(known[key], key)
            _optional(require_term, known, "type")
    for entry in require_list(raw.get("sensorElementList", []), "sensorElementList"):
        names = ("sensorMetadata", "sensorReport", "type")
        require_object(entry, "sensorElementList", names, ("sensorReport",))
        if not isinstance(entry.get("sensorMetadata", {}), dict):
            raise invalid("`sensorMetadata` must be an object", "sensorMetadata")
        for report in require_list(entry["sensorReport"], "sensorReport"):
            if not isinstance(report, dict) or not isinstance(report.get("type"), str):
                raise invalid("Each `sensorReport` needs a `type`", "sensorReport")
    for one in _as_list(raw.get("certificationInfo")):
        require_uri(one, "certificationInfo")
    if not isinstance(raw.get("ilmd", {}), dict):
        raise invalid("`ilmd` must be an object", "ilmd")


def _check_persistent_disposition(raw: Mapping[str, Any]) -> None:
    """Raise EventInvalid unless `persistentDisposition` sets or unsets dispositions."""
    if "persistentDisposition" not in raw:
        return
    given = require_object(raw["persistentDisposition"], "persistentDisposition", ("set", "unset"))
    if not given:
        raise invalid("`persistentDisposition` needs `set` or `unset`", "persistentDisposition")
    for name, terms in given.items():
        for term in require_list(terms, name):
            require_term(term, name)


def _error_declaration(raw: Mapping[str, Any]) -> tuple[datetime | None, tuple[str, ...]]:
    """Return time and corrective event ids of an error declaration, if there is one."""
    if "errorDeclaration" not in raw:
        return None, ()
    if "eventID" not in raw:
        raise invalid("An error declaration needs the `eventID` of the wrong event", "eventID")
    known = ("declarationTime", "reason", "correctiveEventIDs")
    given = require_object(raw["errorDeclaration"], "errorDeclaration", known, known[:1])
    _optional(require_term, given, "reason")
    ids = require_list(given.get("correctiveEventIDs", []), "correctiveEventIDs")
    declared_at = require_time(given["declarationTime"], "declarationTime")
    return declared_at, tuple(require_uri(one, "correctiveEventIDs") for one in ids)


def _event_id(raw: Mapping[str, Any], context: Sequence[Any]) -> str:
    """Return the event's own id, or its hash."""
    if "eventID" in raw:
        return require_uri(raw["eventID"], "eventID")
    return event_hash_id(raw, context)


def _place(raw: Mapping[str, Any], name: str) -> str:
    """Return the id of a read point or business location, empty if there is none."""
    if name not in raw:
        return ""
    return require_uri(require_object(raw[name], name, ("id",), ("id",))["id"], name)


def _optional(check: Callable[[Any, str], str], raw: Mapping[str, Any], name: str) -> str:
    """Return a checked value, empty if it is missing."""
    return check(raw[name], name) if name in raw else ""


def _request_id(raw: Mapping[str, Any], context: Sequence[Any]) -> str:
    """Return the request id of the model call that an event names in our extension field."""
    prefixes = [
        prefix
        for entry in context
        if isinstance(entry, dict)
        for prefix, namespace in entry.items()
        if namespace == CALL_NAMESPACE
    ]
    for name in (CALL_FIELD, *(f"{prefix}:requestId" for prefix in prefixes)):
        value = raw.get(name)
        if isinstance(value, str) and len(value) <= 64:
            return value
    return ""


def _as_list(value: Any) -> Sequence[Any]:
    """Return a JSON-LD context as a list."""
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _require_depth(value: Any, depth: int) -> None:
    """Raise EventInvalid for values that are nested deeper than `depth`."""
    if depth < 0:
        raise invalid("The event is nested too deeply", "eventList")
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _require_depth(one, depth - 1)
