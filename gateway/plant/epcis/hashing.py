"""Event ids by hash (GS1 CBV 2.0, section 8.9): equal events get equal ids from every party.

The canonical text has the event's values in the order of the standard, without `eventID`,
`recordTime` and `errorDeclaration`: times in UTC to milliseconds, EPCs as Digital Links, terms of
the vocabulary as URIs, lists sorted, extensions last.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from gateway.plant.epcis.fields import require_time
from gateway.plant.epcis.gs1_keys import digital_link

_CBV = "https://ref.gs1.org/cbv/"
_GS1 = "https://gs1.org/voc/"
_TIMES = frozenset({"eventTime", "time", "startTime", "endTime"})
_VOCABULARY = {
    "bizStep": "BizStep-",
    "disposition": "Disp-",
    "set": "Disp-",
    "unset": "Disp-",
    "bizTransactionType": "BTT-",
    "sourceOrDestinationType": "SDT-",
    "component": "Comp-",
}
_ORDER = (
    "eventTime",
    "eventTimeZoneOffset",
    "certificationInfo",
    "parentID",
    "epcList",
    "inputEPCList",
    "childEPCs",
    "quantityList",
    "childQuantityList",
    "inputQuantityList",
    "outputEPCList",
    "outputQuantityList",
    "action",
    "transformationID",
    "bizStep",
    "disposition",
    "persistentDisposition",
    "readPoint",
    "bizLocation",
    "bizTransactionList",
    "sourceList",
    "destinationList",
    "sensorElementList",
    "ilmd",
)
_EXCLUDED = frozenset({"type", "eventID", "recordTime", "errorDeclaration", "@context"})
_METADATA = (
    "time",
    "startTime",
    "endTime",
    "deviceID",
    "deviceMetadata",
    "rawData",
    "dataProcessingMethod",
    "bizRules",
)
_REPORT = (
    "type",
    "exception",
    "deviceID",
    "deviceMetadata",
    "rawData",
    "dataProcessingMethod",
    "time",
    "microorganism",
    "chemicalSubstance",
    "value",
    "component",
    "stringValue",
    "booleanValue",
    "hexBinaryValue",
    "uriValue",
    "minValue",
    "maxValue",
    "meanValue",
    "sDev",
    "percRank",
    "percValue",
    "uom",
    "coordinateReferenceSystem",
)
_EPC_LISTS = frozenset({"epcList", "inputEPCList", "childEPCs", "outputEPCList"})
_QUANTITIES = frozenset(
    {"quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"}
)
_PAIRS = {
    "bizTransactionList": ("bizTransaction", "bizTransactionType"),
    "sourceList": ("source", "sourceOrDestinationType"),
    "destinationList": ("destination", "sourceOrDestinationType"),
}


def event_hash_id(event: Mapping[str, Any], context: Sequence[Any]) -> str:
    """Return the id of an event as a named information URI with its SHA-256 hash."""
    text = canonical_text(event, context)
    return f"ni:///sha-256;{hashlib.sha256(text.encode()).hexdigest()}?ver=CBV2.0"


def canonical_text(event: Mapping[str, Any], context: Sequence[Any]) -> str:
    """Return the text that is hashed. The event must be valid."""
    namespaces = _namespaces(context)
    parts = [f"eventType={event['type']}"]
    parts += [_field(name, event[name], namespaces) for name in _ORDER if name in event]
    known = {*_ORDER, *_EXCLUDED}
    parts += _extensions(event, known, namespaces)
    return "".join(parts)


def _field(name: str, value: Any, namespaces: Mapping[str, str]) -> str:
    """Return the canonical text of a standard field."""
    if name in _EPC_LISTS:
        return name + "".join(sorted(f"epc={digital_link(epc)}" for epc in value))
    if name in _QUANTITIES:
        return name + "".join(sorted(map(_quantity, value)))
    if name in _PAIRS:
        return name + "".join(sorted(_pair(entry, *_PAIRS[name]) for entry in value))
    if name in ("readPoint", "bizLocation"):
        more = "".join(_extensions(value, {"id"}, namespaces))
        return f"{name}id={digital_link(value['id'])}{more}"
    if name == "sensorElementList":
        return "".join(sorted(_sensor(entry, namespaces) for entry in value))
    if name == "ilmd":
        return name + "".join(_extensions(value, set(), namespaces))
    if name == "persistentDisposition":
        return name + _dispositions(value)
    if isinstance(value, list):
        return "".join(sorted(f"{name}={_scalar(name, one)}" for one in value))
    return f"{name}={_scalar(name, value)}"


def _dispositions(value: Mapping[str, Any]) -> str:
    """Return the canonical text of persistent dispositions."""
    return "".join(
        f"{key}={_scalar(key, one)}"
        for key in ("set", "unset")
        for one in sorted(value.get(key, ()))
    )


def _quantity(entry: Mapping[str, Any]) -> str:
    """Return the canonical text of a quantity element."""
    parts = [f"epcClass={digital_link(entry['epcClass'])}"]
    parts += [f"{key}={_scalar(key, entry[key])}" for key in ("quantity", "uom") if key in entry]
    return "quantityElement" + "".join(parts)


def _pair(entry: Mapping[str, Any], key: str, type_name: str) -> str:
    """Return the canonical text of a transaction, source or destination with its type."""
    kind = f"type={_scalar(type_name, entry['type'])}" if "type" in entry else ""
    return f"{kind}{key}={digital_link(entry[key])}"


def _sensor(entry: Mapping[str, Any], namespaces: Mapping[str, str]) -> str:
    """Return the canonical text of a sensor element."""
    metadata = entry.get("sensorMetadata", {})
    text = "sensorElement"
    if metadata:
        text += "sensorMetadata" + _values(metadata, _METADATA, namespaces)
    reports = (
        "sensorReport" + _values(report, _REPORT, namespaces) for report in entry["sensorReport"]
    )
    return (
        text
        + "".join(sorted(reports))
        + "".join(_extensions(entry, {"sensorMetadata", "sensorReport", "type"}, namespaces))
    )


def _values(entry: Mapping[str, Any], order: Sequence[str], namespaces: Mapping[str, str]) -> str:
    """Return the canonical texts of an object's fields in order, then its extensions."""
    parts = [
        f"{key}={_measurement(entry[key]) if key == 'type' else _scalar(key, entry[key])}"
        for key in order
        if key in entry
    ]
    return "".join(parts) + "".join(_extensions(entry, set(order), namespaces))


def _measurement(kind: str) -> str:
    """Return the URI of a measurement type of the GS1 Web Vocabulary."""
    return kind if ":" in kind else f"{_GS1}{kind}"


def _scalar(name: str, value: Any) -> str:
    """Return the canonical text of a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    text = str(value)
    if name in _TIMES:
        moment = require_time(text, name).astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    if name in _VOCABULARY and ":" not in text:
        return f"{_CBV}{_VOCABULARY[name]}{text}"
    return digital_link(text)


def _number(value: float) -> str:
    """Return a number without trailing zeros or exponent."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _extensions(
    entry: Mapping[str, Any], known: set[str], namespaces: Mapping[str, str]
) -> list[str]:
    """Return the sorted canonical texts of extension fields."""
    return sorted(
        text
        for name, value in entry.items()
        if name not in known
        for text in _extension(_expanded(name, namespaces), value, namespaces)
    )


def _extension(name: str, value: Any, namespaces: Mapping[str, str]) -> list[str]:
    """Return the canonical texts of an extension field, one for each value of a list."""
    if isinstance(value, list):
        return [text for one in value for text in _extension(name, one, namespaces)]
    if isinstance(value, dict):
        return [name + "".join(_extensions(value, set(), namespaces))]
    return [f"{name}={_scalar(name, value)}"]


def _expanded(name: str, namespaces: Mapping[str, str]) -> str:
    """Return a field name with its namespace in braces."""
    prefix, colon, local = name.partition(":")
    if colon and prefix in namespaces:
        return f"{{{namespaces[prefix]}}}{local}"
    return name


def _namespaces(context: Sequence[Any]) -> Mapping[str, str]:
    """Return the prefixes that a JSON-LD context declares."""
    return {
        prefix: namespace
        for entry in context
        if isinstance(entry, dict)
        for prefix, namespace in entry.items()
        if isinstance(namespace, str)
    }
