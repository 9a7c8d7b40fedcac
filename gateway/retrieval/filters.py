"""Translate OpenAI's attribute filters into SQL conditions.

As with OpenAI, a file that lacks the attribute matches only `ne` and `nin`.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, cast, func, not_, or_
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlmodel import col

from gateway.tables import VectorStoreFile
from gateway.wire.vector_stores import ComparisonFilter, CompoundFilter, Filter

_JSONPATH_OPERATORS = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "=="}
_NEGATED = {"ne": "eq", "nin": "in"}


def filter_condition(attribute_filter: Filter) -> ColumnElement[bool]:
    """Return a condition that is true for the vector store files that match the filter."""
    if isinstance(attribute_filter, CompoundFilter):
        combine = and_ if attribute_filter.type == "and" else or_
        return combine(*(filter_condition(inner) for inner in attribute_filter.filters))
    if attribute_filter.type in _NEGATED:
        return not_(_comparison_condition(_NEGATED[attribute_filter.type], attribute_filter))
    return _comparison_condition(attribute_filter.type, attribute_filter)


def _comparison_condition(operator: str, comparison: ComparisonFilter) -> ColumnElement[bool]:
    """Return a JSONPath condition for one comparison.

    Values are passed as JSONPath variables. A value of another type never matches.
    """
    values = "$value[*]" if operator == "in" else "$value"
    path = f"$.keyvalue() ? (@.key == $key && @.value {_JSONPATH_OPERATORS[operator]} {values})"
    variables: dict[str, Any] = {"key": comparison.key, "value": comparison.value}
    attributes = col(VectorStoreFile.attributes)
    matches: ColumnElement[bool] = func.jsonb_path_exists(
        attributes, cast(path, JSONPATH), cast(variables, JSONB)
    )
    return matches
