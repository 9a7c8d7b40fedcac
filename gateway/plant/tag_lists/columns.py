"""Find the columns of a tag list by their names in English and Chinese."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.plant.tag_lists.words import load_words

MAX_COLUMNS = 200
_FORMULA_MARKS = ("=", "+", "-", "@")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?", re.ASCII)
_SEPARATORS = re.compile(r"[\s_\-./]+")


class Field(StrEnum):
    """What a column of a tag list has; the value is the column's name in exports."""

    TAG = "tag"
    NAME = "name"
    UNIT = "unit"
    DATA_TYPE = "data_type"
    LOW = "low"
    HIGH = "high"
    CONCEPT_SCHEME = "concept_scheme"
    CONCEPT = "concept"
    PATH = "path"
    ASSET = "asset"
    ASSET_NAME = "asset_name"
    LEVEL = "level"
    PARENT = "parent"
    BRICK = "brick"
    ISO14224 = "iso14224"
    ECLASS = "eclass"
    GLOBAL_ID = "global_id"
    PROPERTIES = "properties"


@dataclass(frozen=True, slots=True)
class Columns:
    """The position of each field in a row, the unit in its header, and the unknown columns."""

    positions: Mapping[Field, int]
    unknown: tuple[str, ...]
    repeated: tuple[str, ...] = ()

    def __contains__(self, field: Field) -> bool:
        return field in self.positions

    def value(self, row: Sequence[object], field: Field) -> str:
        """Return the text of a field in a row, without the spaces around it; empty if missing."""
        at = self.positions.get(field)
        if at is None or at >= len(row):
            return ""
        cell = row[at]
        if isinstance(cell, float):
            return f"{cell:.15g}"
        return unescape_cell(str(cell).strip())


def find_columns(header: Sequence[object]) -> Columns:
    """Return the columns of a header; of two columns for one field the first."""
    positions: dict[Field, int] = {}
    unknown: list[str] = []
    repeated: list[str] = []
    for position, cell in enumerate(header[:MAX_COLUMNS]):
        text = str(cell).strip()
        name = load_words().columns.get(normalize_header(text))
        field = None if name is None else Field(name)
        if field is None:
            if text:
                unknown.append(text[:100])
        elif field in positions:
            repeated.append(text[:100])
        else:
            positions[field] = position
    return Columns(positions, tuple(unknown), tuple(repeated))


def count_known(header: Sequence[object]) -> int:
    """Return how many cells of a row are names of columns."""
    return len(find_columns(header).positions)


def normalize_header(text: str) -> str:
    """Return the name of a column without spaces, marks and what stands in brackets."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _SEPARATORS.sub("", re.sub(r"[(\[{（].*?[)\]}）]", "", plain))


def escape_cell(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula, prefixed with `'`; keeps numbers."""
    is_formula = text.lstrip("'").startswith(_FORMULA_MARKS)
    return f"'{text}" if is_formula and not _NUMBER.fullmatch(text) else text


def unescape_cell(text: str) -> str:
    """Return what `escape_cell` was given."""
    is_escaped = text.startswith("'") and text.lstrip("'").startswith(_FORMULA_MARKS)
    return text[1:] if is_escaped else text
