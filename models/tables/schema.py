"""The schema of a table: types, units and roles of its columns, inferred and then confirmed.

A customer sees the inferred schema before anything is charged, and confirms or changes it with the
job: which column is the target, which names the machine, which is the time, which are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from models.adaptation import TrainingFileInvalid
from models.problems import Problem, Problems
from models.ready_made.values import ReadyMade
from models.sentences import Sentence, sentence
from models.tables.columns import Column, Kind, infer_column
from models.tables.dates import zone_hint
from models.tables.headers import is_unit, split_unit
from models.tables.table import RawTable

_TARGET_WORDS = frozenset(
    """target label class failure failed fault defect rul quality result y wear output
    目标 标签 类别 故障 失效 缺陷 质量 结果 磨损 剩余寿命""".split()
)
LIFE_WORDS = frozenset("rul ttf remaining 剩余寿命 剩余 余寿".split())
"""Words of a header that says how long a machine still runs."""

FAULT_WORDS = frozenset(
    """target label fault faulty failure failed anomaly anomalous outlier abnormal
    目标 标签 故障 异常 失效""".split()
)
"""Words of a header that says whether a row is normal operation or a fault."""

_MACHINE_WORDS = frozenset(
    """machine unit asset device engine equipment line cutter bearing pump motor run series id
    设备 机台 机器 编号 产线 刀具 轴承 批次""".split()
)
_STEP_WORDS = frozenset("cycle step cycles sample index hour hours 周期 步 次数".split())
_MAX_MACHINE_SHARE = 0.5
_MAX_INVALID_REPORTED = 5
_MAX_UNUSED_NAMED = 20


# Steps of a window: longer courses are told by fewer rows, for example means of ten.
MAX_WINDOW = 1_000


class Role(StrEnum):
    """What a column is used for."""

    INPUT = "input"
    TARGET = "target"
    MACHINE = "machine"
    TIME = "time"
    IGNORED = "ignored"


class SchemaRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a customer states about the columns of a file.

    `machine` and `time` may be empty texts: there is no such column. `kinds` and `units` override
    what was inferred. Of series: `window` is the number of steps that a class is told by, `cap` the
    highest remaining life that is told apart, `censored` names machines that have not failed yet.
    Of anomaly detectors: `window` is the most steps that are averaged, `normal` the label of normal
    operation, `false_alarms` the share of normal rows that may raise an alarm.
    `costs` are those of false alarms and misses (models/decisions/costs.py). `ready_made` names a
    ready-made model to compare with, and the columns that are its inputs.
    """

    target: str | None = None
    machine: str | None = None
    time: str | None = None
    ignored: tuple[str, ...] = ()
    kinds: dict[str, Kind] = {}
    units: dict[str, str] = {}
    window: Annotated[int, Meta(ge=2, le=MAX_WINDOW)] | None = None
    cap: Annotated[float, Meta(gt=0)] | None = None
    censored: tuple[str, ...] = ()
    normal: str | None = None
    false_alarms: Annotated[float, Meta(ge=0.0001, le=0.2)] | None = None
    costs: dict[str, Any] | None = None
    ready_made: ReadyMade | None = None


NO_SCHEMA = SchemaRequest()
"""Nothing is stated: all is inferred."""


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """A column with its role."""

    column: Column
    role: Role


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of a table with types and roles. `notes` say what was assumed."""

    columns: tuple[SchemaColumn, ...]
    row_count: int
    notes: tuple[Sentence, ...] = ()

    def with_role(self, role: Role) -> tuple[Column, ...]:
        """Return the columns of a role, in order."""
        return tuple(one.column for one in self.columns if one.role is role)

    def single(self, role: Role) -> Column | None:
        """Return the column of a role that only one column has, or None."""
        return next(iter(self.with_role(role)), None)


def infer_schema(
    table: RawTable, request: SchemaRequest, *, target_words: frozenset[str] | None = None
) -> TableSchema:
    """Return the schema of a table, with what the customer stated and the rest inferred.

    `target_words` are those of headers of a target that may be absent; without them there is one:
    the column with the name of a result, else the last one.

    Raises TrainingFileInvalid for stated columns that the table lacks, unknown units, and cells
    that are not of their column's type.
    """
    problems = Problems()
    _check_request(table, request, problems)
    columns = {
        raw.name: infer_column(
            raw,
            request.units.get(raw.name) or table.units.get(raw.name),
            request.kinds.get(raw.name),
        )
        for raw in table.columns
    }
    _raise(problems)
    roles = _assign_roles(columns, request, target_words)
    for name, column in columns.items():
        if roles[name] is not Role.IGNORED:
            _report_invalid_cells(column, table, problems)
    _raise(problems)
    return TableSchema(
        tuple(SchemaColumn(columns[name], roles[name]) for name in table.names),
        len(table),
        (*table.notes, *_role_notes(roles, request), *_unused_notes(columns, roles, request)),
    )


def describe_schema(schema: TableSchema) -> dict[str, Any]:
    """Return the schema as JSON for its confirmation."""
    return {
        "object": "table.schema",
        "rows": schema.row_count,
        "columns": [_describe_column(one) for one in schema.columns],
        "notes": list(map(str, schema.notes)),
    }


def _raise(problems: Problems) -> None:
    """Raise TrainingFileInvalid if there are problems."""
    if problems.count:
        raise TrainingFileInvalid(problems.summary, problems=problems)


def _check_request(table: RawTable, request: SchemaRequest, problems: Problems) -> None:
    """Report stated columns that the table lacks, and unknown units."""
    stated: list[tuple[str, str | None]] = [
        ("target", request.target),
        ("machine", request.machine),
        ("time", request.time),
        *((f"ignored[{position}]", name) for position, name in enumerate(request.ignored)),
        *((f"kinds.{name}", name) for name in request.kinds),
        *((f"units.{name}", name) for name in request.units),
        *_ready_made_columns(request),
    ]
    for field, name in stated:
        if name and name not in table.names:
            message = sentence(
                "`schema.{field}` names {name}, which is no column of the file.",
                field=field,
                name=repr(name[:64]),
            )
            fix = sentence("Name one of: {names}.", names=", ".join(table.names[:20]))
            problems.add(Problem("unknown_column", message, fix, field=name[:64]))
    for column, unit in request.units.items():
        if not is_unit(unit):
            message = sentence(
                "`schema.units.{column}` is {unit}, which is not a known unit.",
                column=column[:64],
                unit=repr(unit[:24]),
            )
            problems.add(
                Problem("unit", message, sentence("Give a known unit, or none."), field=column[:64])
            )


def _ready_made_columns(request: SchemaRequest) -> Sequence[tuple[str, str]]:
    """Return the columns that are inputs of a ready-made model, with the field that names each."""
    columns = {} if request.ready_made is None else request.ready_made.columns
    return [(f"ready_made.columns.{name}", column) for name, column in columns.items()]


def _assign_roles(
    columns: Mapping[str, Column], request: SchemaRequest, target_words: frozenset[str] | None
) -> Mapping[str, Role]:
    """Return the role of each column: as stated, else as its name and values suggest."""
    roles = {name: _default_role(column) for name, column in columns.items()}
    for name in request.ignored:
        roles[name] = Role.IGNORED
    suggested = _suggest_target(columns, roles, target_words)
    target = _stated(request.target, suggested) if target_words else request.target or suggested
    machine = _stated(request.machine, _suggest_machine(columns, roles, target))
    time = _stated(request.time, _suggest_time(columns, roles, target))
    for chosen, role in ((machine, Role.MACHINE), (time, Role.TIME), (target, Role.TARGET)):
        if chosen:
            roles[chosen] = role
    return MappingProxyType(roles)


def _stated(stated: str | None, suggested: str | None) -> str | None:
    """Return what the customer stated, else the suggestion; an empty text states that none is."""
    return suggested if stated is None else stated or None


def _default_role(column: Column) -> Role:
    """Return the role of a column that is neither target nor machine nor time."""
    if column.kind in (Kind.TEXT, Kind.EMPTY, Kind.TIME):
        return Role.IGNORED
    return Role.INPUT


def _suggest_target(
    columns: Mapping[str, Column], roles: Mapping[str, Role], words: frozenset[str] | None
) -> str | None:
    """Return the column whose name is that of a target; without `words`, else the last one."""
    usable = [name for name in columns if roles[name] is Role.INPUT]
    named = [name for name in usable if _words(name) & (words or _TARGET_WORDS)]
    if words is not None:
        return named[-1] if named else None
    return (named or usable)[-1] if usable else None


def _suggest_machine(
    columns: Mapping[str, Column], roles: Mapping[str, Role], target: str | None
) -> str | None:
    """Return the column whose name is that of a machine and whose values repeat."""
    for name, column in columns.items():
        if name == target or roles[name] is not Role.INPUT or not _words(name) & _MACHINE_WORDS:
            continue
        values = column.texts if column.numbers is None else column.numbers
        if values is None:
            continue
        is_whole = column.numbers is None or bool(
            np.all(np.isnan(column.numbers) | (column.numbers % 1 == 0))
        )
        distinct = len(set(values.tolist()))
        if is_whole and 2 <= distinct <= _MAX_MACHINE_SHARE * len(values):
            return name
    return None


def _suggest_time(
    columns: Mapping[str, Column], roles: Mapping[str, Role], target: str | None
) -> str | None:
    """Return the first column of times, else a number column that counts steps."""
    for name, column in columns.items():
        if column.kind is Kind.TIME and name != target:
            return name
    for name, column in columns.items():
        if name != target and roles[name] is Role.INPUT and _words(name) & _STEP_WORDS:
            return name if column.kind is Kind.NUMBER else None
    return None


def _words(name: str) -> frozenset[str]:
    """Return the words of a header in lower case; a Chinese header is searched as a whole."""
    text = split_unit(name)[0].lower()
    words = {word for word in text.replace("_", " ").replace("-", " ").split()}
    known = _TARGET_WORDS | _MACHINE_WORDS | _STEP_WORDS | LIFE_WORDS | FAULT_WORDS
    return frozenset(words | {word for word in known if not word.isascii() and word in text})


def _report_invalid_cells(column: Column, table: RawTable, problems: Problems) -> None:
    """Report cells that are not of their column's type."""
    for position in column.invalid[:_MAX_INVALID_REPORTED]:
        line = int(table.row_numbers[position])
        raw = next(one for one in table.columns if one.name == column.name)
        cell = str(raw.as_texts()[position])[:40]
        message = sentence(
            "Line {line}: {cell} in {name} is not a {kind}.",
            line=line,
            cell=repr(cell),
            name=repr(column.name),
            kind=column.kind,
        )
        fix = (column.kind is Kind.TIME and zone_hint(cell)) or sentence(
            "Correct or empty the cell, state another type, or leave the column out."
        )
        problems.add(Problem("wrong_type", message, fix, line, column.name))
    problems.count += max(0, len(column.invalid) - _MAX_INVALID_REPORTED)


def _describe_jump(column: Column) -> dict[str, Any] | None:
    """Return from which row on, from 1, a column has another scale, and its factor, or None."""
    jump = column.scale_jump
    return None if jump is None else {"row": jump.row + 1, "factor": float(f"{jump.factor:.3g}")}


def _role_notes(roles: Mapping[str, Role], request: SchemaRequest) -> Sequence[Sentence]:
    """Return which roles were assumed."""
    stated = {
        Role.TARGET: request.target,
        Role.MACHINE: request.machine,
        Role.TIME: request.time,
    }
    return [
        sentence("{column} was taken for the {role}.", column=repr(name), role=sentence(role))
        for name, role in roles.items()
        if role in stated and stated[role] is None
    ]


def _unused_notes(
    columns: Mapping[str, Column], roles: Mapping[str, Role], request: SchemaRequest
) -> Sequence[Sentence]:
    """Return which columns are not used although the customer did not leave them out."""
    chosen = {*request.ignored, *(one for one, kind in request.kinds.items() if kind is Kind.TEXT)}
    unused = {
        kind: [
            repr(name)
            for name, column in columns.items()
            if column.kind is kind and roles[name] is Role.IGNORED and name not in chosen
        ]
        for kind in (Kind.TEXT, Kind.TIME, Kind.EMPTY)
    }
    return [_unused_note(kind, names) for kind, names in unused.items() if names]


def _unused_note(kind: Kind, names: Sequence[str]) -> Sentence:
    """Return the note on columns of a type that are not used, with the reason."""
    listed: str = ", ".join(names[:_MAX_UNUSED_NAMED])
    if len(names) > _MAX_UNUSED_NAMED:
        listed = sentence("{names} ({count} columns)", names=listed, count=len(names))
    match kind:
        case Kind.TEXT:
            return sentence(
                "Left out, because nearly all texts in it differ: {names}. If it is a time or a "
                "category, state that in `schema.kinds`.",
                names=listed,
            )
        case Kind.TIME:
            return sentence("Left out, because times only order the rows: {names}.", names=listed)
        case _:
            return sentence("Left out, because it is empty: {names}.", names=listed)


def _describe_column(one: SchemaColumn) -> dict[str, Any]:
    """Return a column as JSON: type, role, unit, range or values, missing cells."""
    column = one.column
    described: dict[str, Any] = {
        "name": column.name,
        "type": column.kind.value,
        "role": one.role.value,
        "unit": column.unit,
        "missing": column.missing_count,
        "notes": list(map(str, column.notes)),
        "scale_change": _describe_jump(column),
    }
    if column.numbers is not None:
        present = column.numbers[np.isfinite(column.numbers)]
        bounds = (float(present.min()), float(present.max())) if len(present) else (None, None)
        described["minimum"], described["maximum"] = bounds
    elif column.texts is not None:
        values = sorted(set(column.texts) - {""})
        described["distinct"], described["examples"] = len(values), values[:10]
    return described
