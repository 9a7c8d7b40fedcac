"""Names of the tax platform's files (layout.toml): sheets, columns, and words in cells."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from billing.fapiao.lines import Category


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """A sheet that is written: its name, a note in its first row, and column names by field."""

    sheet: str
    note: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FileLayout:
    """The layout of all files; `result` has the possible names of each column of a result list."""

    default_category: Category
    words: Mapping[str, str]
    head: SheetLayout
    lines: SheetLayout
    red: SheetLayout
    result: Mapping[str, Sequence[str]]


def load_layout() -> FileLayout:
    """Read the layout from its file in this package."""
    text = files("billing.fapiao").joinpath("layout.toml").read_text("utf-8")
    content = tomllib.loads(text)
    return FileLayout(
        default_category=Category(**content["defaults"]),
        words=content["words"],
        head=SheetLayout(**content["head"]),
        lines=SheetLayout(**content["lines"]),
        red=SheetLayout(**content["red"]),
        result=content["result"],
    )
