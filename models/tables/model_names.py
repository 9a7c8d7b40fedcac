"""Columns of a prediction table under the names that a model was trained with."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from models.tables.headers import split_unit
from models.tables.table import RawTable

_SPACES = re.compile(r"\s+")


def with_model_names(table: RawTable, inputs: Iterable[str], others: Iterable[str]) -> RawTable:
    """Rename columns whose headers mean inputs that the table lacks.

    Headers are compared without letter case, full-width forms and units: `temperature［K］` is the
    input `Temperature [°C]`, in kelvin. Nothing is renamed where two columns or inputs are alike.
    `others` are columns of another meaning, such as that of the machine.
    """
    wanted = set(inputs)
    lacking = wanted.difference(table.names)
    if not lacking:
        return table
    by_meaning = _by_meaning(wanted)
    names = {
        columns[0]: by_meaning[meaning][0]
        for meaning, columns in _by_meaning({*table.names} - {*wanted, *others}).items()
        if len(columns) == 1 == len(by_meaning.get(meaning, ()))
        and by_meaning[meaning][0] in lacking
    }
    stated = {new: unit for old, new in names.items() if (unit := split_unit(old)[1])}
    renamed = table.renamed(names)
    return replace(renamed, units=MappingProxyType({**stated, **renamed.units}))


def header_meaning(header: str) -> str:
    """Return a header as it is compared: without its unit, case and repeated spaces."""
    name = unicodedata.normalize("NFKC", split_unit(header)[0])
    return _SPACES.sub(" ", name.casefold()).strip()


def _by_meaning(headers: Iterable[str]) -> dict[str, list[str]]:
    """Return headers by what they mean."""
    found: dict[str, list[str]] = {}
    for header in headers:
        found.setdefault(header_meaning(header), []).append(header)
    return found
