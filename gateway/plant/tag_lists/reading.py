"""Read a tag list (CSV or Excel) into a plant model.

    bytes -> rows -> columns by header names -> points, and assets of their columns or paths

A row with a tag is a point; a row without one describes an asset. Columns that the file lacks keep
the account's current values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

import msgspec

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    NodeKind,
    PlantModel,
    Point,
    Property,
)
from gateway.plant.tag_lists.columns import Columns, Field, find_columns
from gateway.plant.tag_lists.paths import PathAssets, split_path
from gateway.plant.tag_lists.rows import Row, read_rows, split_header
from gateway.plant.tag_lists.words import load_words
from models.problems import Problem, Problems
from models.sentences import sentence

DEFAULT_SCHEME = "brick"
_TYPES = (Field.BRICK, Field.ISO14224, Field.ECLASS)
_PROPERTIES = msgspec.json.Decoder(dict[str, Property])


@dataclass(frozen=True, slots=True)
class TagList:
    """The model of a tag list, the lines of its nodes, and the columns that were not read."""

    model: PlantModel
    lines: Mapping[tuple[NodeKind, str], int]
    unknown_columns: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    """What is collected while the rows of a file are read."""

    columns: Columns
    existing: PlantIndex
    problems: Problems
    paths: PathAssets
    points: list[Point] = field(default_factory=list)
    assets: dict[str, Asset] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    lines: dict[tuple[NodeKind, str], int] = field(default_factory=dict)


def read_tag_list(
    content: bytes, existing: PlantIndex, limits: PlantLimits, problems: Problems
) -> TagList:
    """Return the model of a file. Adds the problems of its rows to `problems`."""
    header, rows = split_header(read_rows(content, problems), problems)
    columns = find_columns(header)
    if problems.count or not _has_key_column(columns, problems):
        return TagList(PlantModel(), {}, columns.unknown)
    reader = _Reader(columns, existing, problems, PathAssets(existing.assets))
    for count, row in enumerate(rows):
        if count > limits.assets + limits.points:
            message = sentence("The file has more than {most} rows.", most=count - 1)
            problems.add(Problem("too_many_rows", message, sentence("Import it in parts.")))
            break
        if any(str(cell).strip() for cell in row[1]):
            _read_row(reader, row)
    _note_columns(columns, problems)
    return TagList(_model(reader), reader.lines, columns.unknown)


def _has_key_column(columns: Columns, problems: Problems) -> bool:
    """Return whether there is a column of tags or assets; else add a problem."""
    if any(one in columns for one in (Field.TAG, Field.ASSET, Field.PATH)):
        return True
    message = sentence("The file has no column with tags, assets or paths.")
    problems.add(Problem("no_key_column", message, sentence("Name the column tag, asset or path.")))
    return False


def _note_columns(columns: Columns, problems: Problems) -> None:
    """Add a note on columns that were not read."""
    for name in (*columns.unknown[:20], *columns.repeated[:20]):
        problems.notes.append(sentence("The column {name} was not read.", name=repr(name)))


def _read_row(reader: _Reader, row: Row) -> None:
    """Read a row as a point, or as an asset if it has no tag."""
    line, cells = row
    tag = reader.columns.value(cells, Field.TAG)
    asset = _read_asset(reader, row, describes=not tag)
    if tag:
        reader.lines.setdefault((NodeKind.POINT, tag), line)
        reader.points.append(_read_point(reader, row, tag, asset))
    elif asset is None:
        message = sentence("Line {number}: the row has neither a tag nor an asset.", number=line)
        reader.problems.add(Problem("no_key", message, sentence("Enter one of them."), line, "tag"))


def _read_asset(reader: _Reader, row: Row, *, describes: bool) -> str | None:
    """Return the code of a row's asset, and collect the asset; None if the row has none.

    A row without a tag describes the asset, so its name, level and types are those of the row.
    """
    line, cells = row
    value = reader.columns.value
    segments = split_path(value(cells, Field.PATH))
    code = value(cells, Field.ASSET)
    parent = value(cells, Field.PARENT) or None
    if not code:
        if not segments:
            return None
        code = reader.paths.add(segments)
        reader.lines.setdefault((NodeKind.ASSET, code), line)
        return code
    if segments and segments[-1] == code:
        segments = segments[:-1]
    if segments:
        parent = reader.paths.add(segments, has_parts=True)
    if describes or code not in reader.named:
        if describes and code in reader.assets and reader.named.get(code) == 1:
            _report_twice(reader, code, line)
        reader.named[code] = max(int(describes), reader.named.get(code, 0))
        reader.lines[(NodeKind.ASSET, code)] = line
        reader.assets[code] = _build_asset(reader, row, code, parent)
    return code


def _report_twice(reader: _Reader, code: str, line: int) -> None:
    """Add the problem of an asset that two rows describe."""
    message = sentence(
        "Line {number}: asset {code} is described more than once.", number=line, code=repr(code)
    )
    reader.problems.add(
        Problem("duplicate", message, sentence("Remove one of the rows."), line, "asset")
    )


def _build_asset(reader: _Reader, row: Row, code: str, parent: str | None) -> Asset:
    """Return the asset of a row; what the row does not state is as the account has it."""
    line, cells = row
    value = reader.columns.value
    existing = reader.existing.assets.get(code)
    default = existing.level if existing else AssetLevel.EQUIPMENT
    return Asset(
        code,
        value(cells, Field.ASSET_NAME) or (existing.name if existing else code),
        _read_level(reader, line, value(cells, Field.LEVEL), default),
        parent,
        {one.value: text for one in _TYPES if (text := value(cells, one))},
        _read_properties(reader, line, value(cells, Field.PROPERTIES)),
        value(cells, Field.GLOBAL_ID) or None,
    )


def _read_level(reader: _Reader, line: int, text: str, default: AssetLevel) -> AssetLevel:
    """Return a level; adds a problem for an unknown one."""
    if not text:
        return default
    level = load_words().levels.get(text.casefold().replace(" ", "_").replace("-", "_"))
    if level is None:
        _add_value_problem(reader, line, Field.LEVEL, text, ", ".join(AssetLevel))
    return level or default


def _read_properties(reader: _Reader, line: int, text: str) -> dict[str, Property]:
    """Return properties from their JSON; adds a problem for anything else."""
    if not text:
        return {}
    try:
        return _PROPERTIES.decode(text)
    except (msgspec.DecodeError, RecursionError):
        example = '{"Manufacturer": {"value": "…"}}'
        _add_value_problem(reader, line, Field.PROPERTIES, text, example)
        return {}


def _read_point(reader: _Reader, row: Row, tag: str, asset: str | None) -> Point:
    """Return the point of a row."""
    line, cells = row
    value = reader.columns.value
    concept = value(cells, Field.CONCEPT)
    scheme = value(cells, Field.CONCEPT_SCHEME) or DEFAULT_SCHEME
    return Point(
        tag,
        value(cells, Field.NAME),
        asset,
        value(cells, Field.UNIT),
        _read_data_type(reader, line, value(cells, Field.DATA_TYPE), tag),
        _read_number(reader, line, Field.LOW, value(cells, Field.LOW)),
        _read_number(reader, line, Field.HIGH, value(cells, Field.HIGH)),
        Concept(scheme, concept) if concept else None,
    )


def _read_data_type(reader: _Reader, line: int, text: str, tag: str) -> DataType:
    """Return a type of values; without one that of the account's point, else numbers."""
    if not text:
        existing = reader.existing.points.get(tag)
        return existing.data_type if existing else DataType.NUMBER
    data_type = load_words().data_types.get(text.casefold())
    if data_type is None:
        _add_value_problem(reader, line, Field.DATA_TYPE, text, ", ".join(DataType))
    return data_type or DataType.NUMBER


def _read_number(reader: _Reader, line: int, column: Field, text: str) -> float | None:
    """Return a number, with a decimal point or comma; None for an empty cell."""
    if not text:
        return None
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    try:
        number = float(plain.replace(",", ""))
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        _add_value_problem(reader, line, column, text, "12.5")
        return None
    return number


def _add_value_problem(reader: _Reader, line: int, column: Field, text: str, expected: str) -> None:
    """Add the problem of a cell."""
    message = sentence(
        "Line {number}: {value} is not a valid {field}. Expected: {expected}.",
        number=line,
        value=repr(text[:60]),
        field=column.value,
        expected=expected,
    )
    reader.problems.add(
        Problem("invalid_cell", message, sentence("Correct the cell."), line, column.value)
    )


def _model(reader: _Reader) -> PlantModel:
    """Return the model of all rows; an asset that a row describes replaces that of a path."""
    assets = {asset.code: asset for asset in reader.paths.assets()}
    for code, asset in reader.assets.items():
        of_path = assets.get(code)
        parent = asset.parent or (of_path.parent if of_path else None)
        assets[code] = replace(asset, parent=parent)
    return PlantModel(tuple(assets.values()), tuple(reader.points))
