"""Column names and words of CSV statements (columns.toml), with an operator's additions."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from billing.bank_statements.errors import BankStatementInvalid

Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class StatementColumns:
    """Possible names of each field's column, and the words for credits and currencies in cells."""

    columns: Names
    words: Names


def load_columns(more: str = "") -> StatementColumns:
    """Read the built-in names; those of `more`, a TOML text of the same form, come first.

    Raises BankStatementInvalid.
    """
    text = files("billing.bank_statements").joinpath("columns.toml").read_text("utf-8")
    built_in = tomllib.loads(text)
    try:
        own = tomllib.loads(more)
    except tomllib.TOMLDecodeError as error:
        raise BankStatementInvalid(f"The column names are not valid TOML: {error}.") from error
    merged = {table: _merge(built_in[table], own.get(table, {})) for table in built_in}
    return StatementColumns(merged["columns"], merged["words"])


def _merge(built_in: Names, own: object) -> Names:
    """Return names by field, the operator's first. Raises BankStatementInvalid."""
    if not isinstance(own, dict):
        raise BankStatementInvalid("The column names must be tables [columns] and [words].")
    for field, names in own.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BankStatementInvalid(f"{field!r} must be a list of texts.")
    return {field: [*own.get(field, ()), *built_in.get(field, ())] for field in {**built_in, **own}}
