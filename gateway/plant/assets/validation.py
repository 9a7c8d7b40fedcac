"""Check a plant model before anything is written.

    PlantModel + what the account has -> PlantModel with canonical units, Problems

Finds duplicates, unknown parents and nodes, cycles, levels, units, ranges, texts and sizes. All
problems are counted and the first ones listed, with their line where the source has lines.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TypeVar

from gateway.plant.assets.hierarchy import check_hierarchy
from gateway.plant.assets.index import PlantIndex, entity_key, entity_node, relation_key
from gateway.plant.assets.limits import MAX_CODE, PlantLimits
from gateway.plant.assets.text_checks import TextChecks
from gateway.plant.assets.units import canonical_unit
from gateway.plant.assets.values import (
    Asset,
    Entity,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Relation,
)
from models.problems import Problem, Problems
from models.sentences import sentence

Value = TypeVar("Value")
Lines = Mapping[tuple[NodeKind, str], int]


@dataclass(frozen=True, slots=True)
class Checks:
    """What a model is checked against.

    `lines` are the lines of assets and points in the file. Units that are unknown are left empty
    with a note if `omit_unknown_units`.
    """

    existing: PlantIndex
    limits: PlantLimits
    lines: Lines = field(default_factory=dict)
    omit_unknown_units: bool = False

    def line(self, kind: NodeKind, code: str) -> int | None:
        """Return the line of a node, None if it is unknown."""
        return self.lines.get((kind, code))


def check_model(model: PlantModel, checks: Checks, problems: Problems) -> PlantModel:
    """Add the problems of a model; return it with canonical units."""
    if not _has_allowed_size(model, checks.limits, problems):
        return model
    texts = TextChecks(problems)
    _check_duplicates(model, checks, problems)
    _check_assets(model.assets, checks, texts, problems)
    points = _check_points(model, checks, texts, problems)
    for entity in model.entities:
        _check_entity(entity, texts)
    _check_relations(model, checks, texts, problems)
    return replace(model, points=points)


def _has_allowed_size(model: PlantModel, limits: PlantLimits, problems: Problems) -> bool:
    """Return whether a model is not larger than an account's may be; else add a problem."""
    before = problems.count
    for name, count, most in (
        ("assets", len(model.assets), limits.assets),
        ("points", len(model.points), limits.points),
        ("entities", len(model.entities), limits.assets),
        ("relations", len(model.relations), limits.points),
    ):
        if count > most:
            message = sentence(
                "The model has {count} {name}; at most {most} are allowed.",
                count=count,
                name=name,
                most=most,
            )
            problems.add(
                Problem("model_too_large", message, sentence("Import a part of it."), field=name)
            )
    return problems.count == before


def _check_duplicates(model: PlantModel, checks: Checks, problems: Problems) -> None:
    """Add a problem for each code, tag or statement that occurs twice."""
    _find_duplicates(
        (
            (asset.code, asset.code, checks.line(NodeKind.ASSET, asset.code))
            for asset in model.assets
        ),
        problems,
        "code",
    )
    _find_duplicates(
        ((point.tag, point.tag, checks.line(NodeKind.POINT, point.tag)) for point in model.points),
        problems,
        "tag",
    )
    _find_duplicates(
        ((entity_key(one), one.code, None) for one in model.entities), problems, "code"
    )
    _find_duplicates(
        ((relation_key(one), _statement(one), None) for one in model.relations),
        problems,
        "relation",
    )


def _find_duplicates(
    keys: Iterable[tuple[Hashable, str, int | None]], problems: Problems, field: str
) -> None:
    """Add a problem for each key that occurs twice, with its text and line."""
    seen: set[Hashable] = set()
    for key, text, line in keys:
        if key in seen:
            message = sentence(
                "{field} {value} occurs more than once.", field=field, value=repr(text[:MAX_CODE])
            )
            problems.add(
                Problem("duplicate", message, sentence("Remove one of them."), line, field)
            )
        seen.add(key)


def _check_assets(
    assets: tuple[Asset, ...], checks: Checks, texts: TextChecks, problems: Problems
) -> None:
    """Check texts and hierarchy of assets."""
    for asset in assets:
        line = checks.line(NodeKind.ASSET, asset.code)
        texts.key(asset.code, "code", line)
        texts.text(asset.name, "name", line)
        texts.types(asset.types, line)
        texts.properties(asset.properties, line)
        texts.text(asset.global_id or "", "global_id", line)
    merged = {**checks.existing.assets, **{asset.code: asset for asset in assets}}
    codes = dict.fromkeys(asset.code for asset in assets)
    check_hierarchy(codes, merged, problems, lambda code: checks.line(NodeKind.ASSET, code))


def _check_points(
    model: PlantModel, checks: Checks, texts: TextChecks, problems: Problems
) -> tuple[Point, ...]:
    """Check all points; return them with canonical units."""
    known = checks.existing.assets.keys() | {asset.code for asset in model.assets}
    return tuple(_check_point(point, known, checks, texts, problems) for point in model.points)


def _check_point(
    point: Point,
    known: set[str],
    checks: Checks,
    texts: TextChecks,
    problems: Problems,
) -> Point:
    """Check a point; return it with its canonical unit."""
    line = checks.line(NodeKind.POINT, point.tag)
    texts.key(point.tag, "tag", line)
    texts.text(point.name, "name", line)
    if point.concept is not None:
        texts.key(point.concept.scheme, "concept_scheme", line)
        texts.key(point.concept.id, "concept", line)
    if point.asset is not None and point.asset not in known:
        message = sentence(
            "The asset {asset} of point {tag} does not exist.",
            asset=repr(point.asset[:MAX_CODE]),
            tag=repr(point.tag[:MAX_CODE]),
        )
        problems.add(Problem("unknown_asset", message, sentence("Add the asset."), line, "asset"))
    _check_range(point, line, problems)
    unit = canonical_unit(point.unit)
    if unit is None:
        _report_unit(point, line, checks, problems)
    return point if unit == point.unit else replace(point, unit=unit or "")


def _report_unit(point: Point, line: int | None, checks: Checks, problems: Problems) -> None:
    """Add a problem for an unknown unit, or a note if such units are left out."""
    message = sentence(
        "The unit {unit} of point {tag} is unknown.",
        unit=repr(point.unit[:MAX_CODE]),
        tag=repr(point.tag[:MAX_CODE]),
    )
    if not checks.omit_unknown_units:
        fix = sentence("Write it as °C, m³/h or 1/min, or leave out unknown units.")
        problems.add(Problem("unknown_unit", message, fix, line, "unit"))
    elif len(problems.notes) < 100:
        problems.notes.append(message)


def _check_range(point: Point, line: int | None, problems: Problems) -> None:
    """Add a problem for limits that are no numbers, or in the wrong order."""
    low, high = point.low, point.high
    is_finite = all(value is None or isfinite(value) for value in (low, high))
    if is_finite and (low is None or high is None or low <= high):
        return
    message = sentence(
        "The range of point {tag} is not valid: low {low}, high {high}.",
        tag=repr(point.tag[:MAX_CODE]),
        low=str(low),
        high=str(high),
    )
    problems.add(
        Problem("invalid_range", message, sentence("low must not exceed high."), line, "low")
    )


def _check_entity(entity: Entity, texts: TextChecks) -> None:
    """Check the texts of an entity."""
    texts.key(entity.code, "code", None)
    texts.text(entity.name, "name", None)
    texts.properties(entity.properties, None)


def _check_relations(
    model: PlantModel, checks: Checks, texts: TextChecks, problems: Problems
) -> None:
    """Check that the nodes of all relations exist, and predicates and confidences."""
    nodes = {
        *(Node(NodeKind.ASSET, asset.code) for asset in model.assets),
        *(Node(NodeKind.POINT, point.tag) for point in model.points),
        *(entity_node(entity) for entity in model.entities),
    } if model.relations else set()  # fmt: skip
    is_known: Callable[[Node], bool] = lambda node: node in nodes or checks.existing.has(node)  # noqa: E731
    for relation in model.relations:
        texts.key(relation.predicate, "predicate", None)
        for node in (relation.subject, relation.object):
            if not is_known(node):
                message = sentence(
                    "The {kind} {code} of a relation does not exist.",
                    kind=node.kind.value,
                    code=repr(node.code[:MAX_CODE]),
                )
                problems.add(
                    Problem("unknown_node", message, sentence("Add it."), field="relations")
                )
        if not 0 <= relation.confidence <= 1:
            message = sentence(
                "The confidence of relation {text} is not between 0 and 1.",
                text=repr(_statement(relation)),
            )
            problems.add(
                Problem("invalid_confidence", message, sentence("Correct it."), field="confidence")
            )


def _statement(relation: Relation) -> str:
    """Return a relation as a text."""
    return f"{relation.subject.code} {relation.predicate} {relation.object.code}"[:MAX_CODE]
