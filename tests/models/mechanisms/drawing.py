"""Hypothesis strategies for rows of any mechanism, derived from its signature."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from models.mechanisms.mechanism import Mechanism
from models.signature import BYTES, InputField, InputInvalid

LENGTH = 30
# Fields for which only some values within the limits make sense.
DRAWN: Mapping[str, st.SearchStrategy[float]] = MappingProxyType(
    {"subgroup_size": st.sampled_from([2.0, 3.0, 5.0, 15.0, 30.0])}
)


@st.composite
def columns(draw: st.DrawFn, mechanism: Mechanism, rows: int = 2) -> dict[str, list[Any]]:
    """Draw valid columns: within the limits and consistent with each other."""
    drawn = {field.name: [draw(values(field)) for _ in range(rows)] for field in mechanism.inputs}
    assume(accepts(mechanism, drawn, {}))
    return drawn


def values(field: InputField) -> st.SearchStrategy[Any]:
    """Return a strategy for one value of a field."""
    if field.datatype == BYTES:
        return st.sampled_from(field.values or ())
    one = DRAWN.get(field.name, st.floats(field.minimum, field.maximum))
    return one if field.length is None else st.lists(one, min_size=LENGTH, max_size=LENGTH)


def accepts(mechanism: Mechanism, drawn: Mapping[str, Any], units: Mapping[str, str]) -> bool:
    try:
        mechanism.evaluate(drawn, units)
    except InputInvalid:
        return False
    return True
