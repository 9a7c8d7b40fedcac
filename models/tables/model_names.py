"""Columns of a prediction table under the names that a model was trained with."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from models.tables.headers import split_unit
from models.tables.table import RawColumn, RawTable

_SPACES = re.compile(r"\s+")


def with_model_names(table: RawTable, inputs: Iterable[str], others: Iterable[str]) -> RawTable:
    """Rename columns whose headers mean inputs that the table lacks.

    Headers are compared without letter case, full-width forms and units: `temperature［K］` is the
    input `Temperature [°C]`, in kelvin. Nothing is renamed where two columns or inputs are alike.
    `others` are columns of another meaning, such as that of the machine.
    """
    wanted, taken = set(inputs), {*inputs, *others}
    meanings = Counter(_meaning(name) for name in wanted)
    unused = Counter(_meaning(name) for name in table.names if name not in taken)
    lacking = {
        _meaning(name): name
        for name in wanted.difference(table.names)
        if meanings[_meaning(name)] == unused[_meaning(name)] == 1
    }
    names = {
        name: lacking[_meaning(name)]
        for name in table.names
        if name not in taken and _meaning(name) in lacking
    }
    if not names:
        return table
    return replace(
        table,
        columns=tuple(_renamed(column, names) for column in table.columns),
        units=MappingProxyType({**table.units, **_stated_units(table, names)}),
    )


def _renamed(column: RawColumn, names: dict[str, str]) -> RawColumn:
    """Return the column under its new name, if it has one."""
    return replace(column, name=names.get(column.name, column.name))


def _stated_units(table: RawTable, names: dict[str, str]) -> dict[str, str]:
    """Return the units that the renamed columns state, by their new names."""
    stated = {
        new: table.units.get(old) or split_unit(old)[1] or split_unit(new)[1]
        for old, new in names.items()
    }
    return {name: unit for name, unit in stated.items() if unit is not None}


def _meaning(header: str) -> str:
    """Return a header as it is compared: without its unit, case and repeated spaces."""
    name = unicodedata.normalize("NFKC", split_unit(header)[0])
    return _SPACES.sub(" ", name.casefold()).strip()
