"""Read a maintenance table (CSV or Excel) into entities and relations of the plant model.

    rows -> header by column names -> work orders, or failure modes with causes, effects, remedies

Failure modes, causes, effects and remedies are found by code or name among those that the account
has; others are new. Assets must exist.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import MAX_CODE, MAX_NAME, PlantLimits
from gateway.plant.assets.values import EntityKind, Node, NodeKind, PlantModel, Property, Relation
from gateway.plant.maintenance.columns import Header, TableColumns, TableKind, find_table
from gateway.plant.maintenance.dates import read_date
from gateway.plant.maintenance.names import AssetNames, EntityNames, digest
from gateway.plant.tag_lists.rows import Row, read_rows
from models.problems import Problem, Problems
from models.sentences import sentence

_RATINGS = ("severity", "occurrence", "detection")
_RATING = range(1, 11)
_DATES = ("date", "finished")


@dataclass(frozen=True, slots=True)
class MaintenanceTable:
    """The entities and relations of a table, the lines of entities, the columns not read."""

    model: PlantModel
    lines: Mapping[tuple[NodeKind, str], int]
    unknown_columns: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    """What is collected while the rows of a table are read."""

    columns: TableColumns
    problems: Problems
    names: EntityNames
    assets: AssetNames
    relations: dict[tuple[Node, str, Node], Relation] = field(default_factory=dict)
    lines: dict[tuple[NodeKind, str], int] = field(default_factory=dict)
    above: dict[str, str] = field(default_factory=dict)

    def relate(self, subject: Node, predicate: str, target: Node) -> None:
        """Add a relation; a repeated one changes nothing."""
        self.relations.setdefault(
            (subject, predicate, target), Relation(subject, predicate, target)
        )

    def report(self, line: int, column: str, text: str, expected: str) -> None:
        """Add the problem of a cell."""
        message = sentence(
            "Line {number}: {value} is not a valid {field}. Expected: {expected}.",
            number=line,
            value=repr(text[:60]),
            field=column,
            expected=expected,
        )
        fix = sentence("Correct the cell.")
        self.problems.add(Problem("invalid_cell", message, fix, line, column))


def find_header(content: bytes) -> Header | None:
    """Return the header of a file with a maintenance table, None for any other file."""
    return find_table(read_rows(content, Problems()))


def read_maintenance(
    content: bytes, header: Header, existing: PlantIndex, limits: PlantLimits, problems: Problems
) -> MaintenanceTable:
    """Return the entities and relations of a table. Adds the problems of its rows."""
    reader = _Reader(header.columns, problems, EntityNames(existing), AssetNames(existing))
    read = _read_order if header.kind is TableKind.WORK_ORDERS else _read_item
    for count, row in enumerate(_data(read_rows(content, problems), header)):
        if count >= limits.assets:
            message = sentence("The file has more than {most} rows.", most=count)
            problems.add(Problem("too_many_rows", message, sentence("Import it in parts.")))
            break
        if any(str(cell).strip() for cell in row[1]):
            read(reader, row)
    for name in header.columns.unknown[:20]:
        problems.notes.append(sentence("The column {name} was not read.", name=repr(name)))
    model = PlantModel(
        entities=tuple(reader.names.entities.values()), relations=tuple(reader.relations.values())
    )
    return MaintenanceTable(model, reader.lines, header.columns.unknown)


def _data(rows: Iterator[Row], header: Header) -> Iterator[Row]:
    """Yield the rows below the header."""
    for number, row in enumerate(rows, start=1):
        if number > header.skipped:
            yield row


def _read_order(reader: _Reader, row: Row) -> None:
    """Read a work order: its number, asset, dates, text, and what was found and done."""
    line, cells = row
    value = reader.columns.value
    number, named = value(cells, "number"), value(cells, "asset")
    if not _has_keys(reader, line, number=number, asset=named):
        return
    asset = reader.assets.find(named)
    if asset is None:
        message = sentence(
            "Line {number}: there is no asset {asset}.", number=line, asset=repr(named[:MAX_CODE])
        )
        fix = "Import the asset first, or correct its code."
        reader.problems.add(Problem("unknown_asset", message, fix, line, "asset"))
        return
    text = value(cells, "text")
    properties = {"text": Property(text)} if text else {}
    properties |= _dates(reader, line, cells)
    order = reader.names.put(EntityKind.WORK_ORDER, number, text[:MAX_NAME] or number, properties)
    reader.lines.setdefault((NodeKind.WORK_ORDER, number), line)
    reader.relate(order, "on", asset)
    found = _optional(reader, cells, "failure_mode", EntityKind.FAILURE_MODE)
    cause = _optional(reader, cells, "cause", EntityKind.CAUSE)
    action = _optional(reader, cells, "action", EntityKind.REMEDY)
    for predicate, node in (("found", found), ("cause", cause), ("remedy", action)):
        if node is not None:
            reader.relate(order, predicate, node)


def _dates(reader: _Reader, line: int, cells: Sequence[str | float]) -> dict[str, Property]:
    """Return the dates of a row; without a date of its beginning, the end's counts for both."""
    dates: dict[str, Property] = {}
    for name in _DATES:
        text = reader.columns.value(cells, name)
        if not text:
            continue
        date = read_date(text)
        if date is None:
            reader.report(line, name, text, "2026-03-31")
        else:
            dates[name] = Property(date)
    if "finished" in dates:
        dates.setdefault("date", dates["finished"])
    return dates


def _read_item(reader: _Reader, row: Row) -> None:
    """Read a row of an FMEA; empty cells of component and failure mode repeat the row above."""
    line, cells = row
    value = reader.columns.value
    for name in ("component", "failure_mode"):
        reader.above[name] = value(cells, name) or reader.above.get(name, "")
    component, failure = reader.above["component"], reader.above["failure_mode"]
    if not _has_keys(reader, line, failure_mode=failure):
        return
    mode = reader.names.node(EntityKind.FAILURE_MODE, failure)
    cause = _optional(reader, cells, "cause", EntityKind.CAUSE)
    effect = _optional(reader, cells, "effect", EntityKind.EFFECT)
    remedy = _optional(reader, cells, "remedy", EntityKind.REMEDY)
    item = _put_item(reader, row, component, mode, cause, effect)
    for part, predicate, of_mode in (
        (mode, "failure_mode", None),
        (cause, "cause", "caused_by"),
        (effect, "effect", "has_effect"),
        (remedy, "remedy", "remedied_by"),
    ):
        if part is not None:
            reader.relate(item, predicate, part)
            if of_mode is not None:
                reader.relate(mode, of_mode, part)
    asset = reader.assets.find(component) if component else None
    if asset is not None:
        reader.relate(item, "component", asset)
        reader.relate(mode, "affects", asset)


def _put_item(
    reader: _Reader, row: Row, component: str, mode: Node, cause: Node | None, effect: Node | None
) -> Node:
    """Add the item of a row with its ratings and, if all are known, their product (RPN)."""
    line, cells = row
    ratings = _ratings(reader, line, cells)
    properties = {name: Property(str(number)) for name, number in ratings.items()}
    if len(ratings) == len(_RATINGS):
        product = ratings["severity"] * ratings["occurrence"] * ratings["detection"]
        properties["rpn"] = Property(str(product))
    if component:
        properties["component"] = Property(component)
    codes = [mode.code, cause.code if cause else "", effect.code if effect else ""]
    code = f"fmea-{digest(component, *codes)}"
    name = ": ".join(part for part in (component, mode.code) if part)[:MAX_NAME]
    reader.lines.setdefault((NodeKind.FMEA_ITEM, code), line)
    return reader.names.put(EntityKind.FMEA_ITEM, code, name, properties)


def _ratings(reader: _Reader, line: int, cells: Sequence[str | float]) -> dict[str, int]:
    """Return severity, occurrence and detection as far as the row states them, each 1 to 10."""
    ratings = {}
    for name in _RATINGS:
        text = reader.columns.value(cells, name)
        if not text:
            continue
        if text.isascii() and text.isdigit() and int(text[:4]) in _RATING:
            ratings[name] = int(text)
        else:
            reader.report(line, name, text, "1 … 10")
    return ratings


def _optional(
    reader: _Reader, cells: Sequence[str | float], column: str, kind: EntityKind
) -> Node | None:
    """Return the entity that a cell names, None for an empty cell."""
    text = reader.columns.value(cells, column)
    return reader.names.node(kind, text) if text else None


def _has_keys(reader: _Reader, line: int, **keys: str) -> bool:
    """Return whether a row has its keys; else add a problem for each that is missing."""
    for name, text in keys.items():
        if not text:
            message = sentence("Line {number}: the row has no {field}.", number=line, field=name)
            reader.problems.add(Problem("no_key", message, sentence("Enter it."), line, name))
    return all(keys.values())
