"""Conditions of EPCIS queries on the JSON of an event, as JSON paths with variables.

    EQ_source_owning_party=urn:… -> $.sourceList[*] ? (@.type == $type && @.source == $values[*])

All values of a parameter are one path: a statement of thousands of paths takes seconds to compose.
Names of fields go into the path as quoted strings, values only into the variables.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.plant.epcis.errors import QueryInvalid

_OPERATORS = {"EQ": "==", "GT": ">", "GE": ">=", "LT": "<", "LE": "<="}
_QUANTITIES = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
_DISPOSITIONS = {"EQ_persistentDisposition_set": "set", "EQ_persistentDisposition_unset": "unset"}
_PARTIES = {
    "EQ_source_": ("sourceList", "source", "sdt", "SDT"),
    "EQ_destination_": ("destinationList", "destination", "sdt", "SDT"),
    "EQ_bizTransaction_": ("bizTransactionList", "bizTransaction", "btt", "BTT"),
}
_DECLARED = {
    "EQ_errorReason": "$.errorDeclaration.reason",
    "EQ_correctiveEventID": "$.errorDeclaration.correctiveEventIDs[*]",
}
_REPORT_TEXTS = (
    *("type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod"),
    *("microorganism", "chemicalSubstance", "bizRules", "component", "coordinateReferenceSystem"),
    *("stringValue", "hexBinaryValue", "uriValue"),
)
_METADATA = ("deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules")
_REPORT_NUMBERS = ("value", "minValue", "maxValue", "meanValue", "sDev", "percValue")
_NAMED = re.compile(r"(EQ|GT|GE|LT|LE|EXISTS)_(?:(ILMD|INNER_ILMD|INNER)_)?(.+)")
_MAX_NAME = 200
_ILMD = {None: "$", "INNER": "$.**", "ILMD": "$.ilmd", "INNER_ILMD": "$.ilmd.**"}


@dataclass(frozen=True, slots=True)
class JsonCondition:
    """An event meets the condition if one of the paths finds something in it."""

    paths: tuple[tuple[str, Mapping[str, Any]], ...] = field(default=())


def parse_json_condition(name: str, values: Sequence[str]) -> JsonCondition | None:
    """Return the condition of a query parameter, None if it is no parameter of this kind.

    Raises QueryInvalid.
    """
    if len(name) > _MAX_NAME:
        return None
    for find in (_party, _declared, _disposition, _quantity, _sensor_text, _sensor_number):
        found = tuple(find(name, values))
        if found:
            return JsonCondition(found)
    found = tuple(_extension(name, values))
    return JsonCondition(found) if found else None


_Paths = Iterator[tuple[str, Mapping[str, Any]]]


def _party(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of sources, destinations and business transactions, by type."""
    for start, (where, key, urn, term) in _PARTIES.items():
        kind = name.removeprefix(start)
        if kind == name or not kind:
            continue
        short = kind.rpartition(":")[2].rpartition(f"{term}-")[2]
        spellings = (kind, short, f"urn:epcglobal:cbv:{urn}:{short}")
        for one in dict.fromkeys((*spellings, f"https://ref.gs1.org/cbv/{term}-{short}")):
            path = f'$.{where}[*] ? (@.type == $type && @."{key}" == $values[*])'
            yield path, {"type": one, "values": values}


def _declared(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of fields of error declarations."""
    if name in _DECLARED:
        yield f"{_DECLARED[name]} ? (@ == $values[*])", {"values": values}


def _disposition(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of persistent dispositions."""
    if name in _DISPOSITIONS:
        path = f"$.persistentDisposition.{_DISPOSITIONS[name]}[*] ? (@ == $values[*])"
        yield path, {"values": values}


def _quantity(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of quantities of any list."""
    operator, _, rest = name.partition("_")
    if rest == "quantity" and operator in _OPERATORS:
        numbers = [_number(name, value) for value in values]
        for where in _QUANTITIES:
            path = f"$.{where}[*].quantity ? (@ {_OPERATORS[operator]} $values[*])"
            yield path, {"values": numbers}


def _sensor_text(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of texts in sensor reports and their metadata."""
    operator, _, rest = name.partition("_")
    if operator != "EQ" or rest not in (*_REPORT_TEXTS, "booleanValue"):
        return
    is_boolean = rest == "booleanValue"
    given = {"values": [value == "true" if is_boolean else value for value in values]}
    yield f"$.sensorElementList[*].sensorReport[*].{rest} ? (@ == $values[*])", given
    if rest in _METADATA:
        yield f"$.sensorElementList[*].sensorMetadata.{rest} ? (@ == $values[*])", given


def _sensor_number(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of numbers in sensor reports: `GE_value_CEL` compares reports in CEL."""
    operator, _, rest = name.partition("_")
    kind, _, uom = rest.partition("_")
    is_rank = kind == "percRank" and not uom
    if operator not in _OPERATORS or not (is_rank or (kind in _REPORT_NUMBERS and uom)):
        return
    unit = "" if is_rank else "@.uom == $uom && "
    path = f"$.sensorElementList[*].sensorReport[*] ? ({unit}@.{kind} "
    numbers = [_number(name, value) for value in values]
    yield f"{path}{_OPERATORS[operator]} $values[*])", {"values": numbers, "uom": uom}


def _extension(name: str, values: Sequence[str]) -> _Paths:
    """Yield the paths of extension fields: at the top, in ILMD, or at any depth (INNER)."""
    match = _NAMED.fullmatch(name)
    if match is None or (":" not in match[3] and match[1] != "EXISTS"):
        return
    operator, place, key = match.groups()
    path = f"{_ILMD[place]}.{json.dumps(key)}"
    if operator == "EXISTS":
        yield path, {}
        return
    given: list[Any] = list(values)
    for value in values:
        with suppress(QueryInvalid):
            given.append(_number(name, value))
    yield f"{path} ? (@ {_OPERATORS[operator]} $values[*])", {"values": given}


def _number(name: str, text: str) -> float:
    """Return a finite number. Raises QueryInvalid."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryInvalid(f"`{name}` must be a number.", param=name)
    return number
