"""Filters on the attributes of files, as the database understands them.

Owns OpenAI's comparisons and their meaning for what a file lacks: it fits none but `ne` and `nin`.
Pure.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, cast, func, not_, or_
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlmodel import col

from gateway.tables import VectorStoreFile
from gateway.wire.vector_stores import Comparison, Compound, Filter

_COMPARE = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "=="}
_NOT = {"ne": "eq", "nin": "in"}


def condition(wanted: Filter) -> ColumnElement[bool]:
    """True for the files that fit."""
    if isinstance(wanted, Compound):
        joined = and_ if wanted.type == "and" else or_
        return joined(*(condition(inner) for inner in wanted.filters))
    if wanted.type in _NOT:
        return not_(_holds(_NOT[wanted.type], wanted))
    return _holds(wanted.type, wanted)


def _holds(kind: str, wanted: Comparison) -> ColumnElement[bool]:
    """By a path, whose values are variables; what is of another type is neither more nor less."""
    values = "$value[*]" if kind == "in" else "$value"
    path = f"$.keyvalue() ? (@.key == $key && @.value {_COMPARE[kind]} {values})"
    variables: dict[str, Any] = {"key": wanted.key, "value": wanted.value}
    attributes = col(VectorStoreFile.attributes)
    found: ColumnElement[bool] = func.jsonb_path_exists(
        attributes, cast(path, JSONPATH), cast(variables, JSONB)
    )
    return found
