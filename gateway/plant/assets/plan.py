"""Plan an import: what a model creates, changes and retires in what an account has.

    PlantIndex + PlantModel + ImportMode -> ImportPlan

Pure and deterministic: the same inputs give the same plan, and a plan that was applied gives an
empty one. A merge leaves out what the model does not state: an empty text or missing value keeps
the current one, and properties are added to those that exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from gateway.plant.assets.index import PlantIndex, entity_key, relation_key
from gateway.plant.assets.values import (
    Asset,
    Entity,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Relation,
)

Value = TypeVar("Value", Asset, Point, Entity, Relation)
_EMPTY: tuple[Any, ...] = (None, "")


class ImportMode(StrEnum):
    """`merge` adds to the plant model; `replace` also retires assets and points not imported."""

    MERGE = "merge"
    REPLACE = "replace"


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a value before and after."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change(Generic[Value]):
    """A change of one value; `value` is the value after it, or the one that is retired."""

    action: Action
    value: Value
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All changes of an import, and how many values stay as they are."""

    assets: tuple[Change[Asset], ...] = ()
    points: tuple[Change[Point], ...] = ()
    entities: tuple[Change[Entity], ...] = ()
    relations: tuple[Change[Relation], ...] = ()
    unchanged: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Return whether the import changes nothing."""
        return not (self.assets or self.points or self.entities or self.relations)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of changes by kind and action, with `unchanged`."""
        return {
            name: {
                **{
                    action.value: sum(change.action is action for change in changes)
                    for action in Action
                },
                "unchanged": self.unchanged.get(name, 0),
            }
            for name, changes in self.by_kind().items()
        }

    def by_kind(self) -> Mapping[str, tuple[Change[Any], ...]]:
        """Return the changes by kind."""
        return {
            "assets": self.assets,
            "points": self.points,
            "entities": self.entities,
            "relations": self.relations,
        }


def plan_import(current: PlantIndex, incoming: PlantModel, mode: ImportMode) -> ImportPlan:
    """Return what an import of a valid model changes."""
    is_exact = mode is ImportMode.REPLACE
    assets = _changes(((current.assets.get(one.code), one) for one in incoming.assets), is_exact)
    points = _changes(((current.points.get(one.tag), one) for one in incoming.points), is_exact)
    entities = _changes(
        ((current.entities.get(entity_key(one)), one) for one in incoming.entities), is_exact
    )
    relations = _changes(
        ((current.relations.get(relation_key(one)), one) for one in incoming.relations), is_exact
    )
    unchanged = {
        "assets": len(incoming.assets) - len(assets),
        "points": len(incoming.points) - len(points),
        "entities": len(incoming.entities) - len(entities),
        "relations": len(incoming.relations) - len(relations),
    }
    if is_exact:
        return _with_retirements(
            current, incoming, ImportPlan(assets, points, entities, relations, unchanged)
        )
    return ImportPlan(assets, points, entities, relations, unchanged)


def merge_values(current: Value, incoming: Value) -> Value:
    """Return the current value with what the incoming one states."""
    stated: dict[str, Any] = {}
    for one in fields(incoming):
        value = getattr(incoming, one.name)
        if isinstance(value, Mapping):
            stated[one.name] = {**getattr(current, one.name), **value}
        elif value not in _EMPTY:
            stated[one.name] = value
    return replace(current, **stated)


def compare_values(before: Value, after: Value) -> tuple[FieldChange, ...]:
    """Return the fields in which two values differ."""
    return tuple(
        FieldChange(one.name, getattr(before, one.name), getattr(after, one.name))
        for one in fields(before)
        if getattr(before, one.name) != getattr(after, one.name)
    )


def _changes(
    pairs: Iterable[tuple[Value | None, Value]], is_exact: bool
) -> tuple[Change[Value], ...]:
    """Return the changes from current values, None where there is none, to incoming ones."""
    changes: list[Change[Value]] = []
    for before, incoming in pairs:
        if before is None:
            changes.append(Change(Action.CREATE, incoming))
        elif before != incoming:
            after = incoming if is_exact else merge_values(before, incoming)
            if differences := compare_values(before, after):
                changes.append(Change(Action.UPDATE, after, differences))
    return tuple(changes)


def _with_retirements(current: PlantIndex, incoming: PlantModel, plan: ImportPlan) -> ImportPlan:
    """Return the plan with the assets and points retired that the model does not have.

    Their relations end with them. Entities, and other relations, are not retired.
    """
    codes, tags = ({one.code for one in incoming.assets}, {one.tag for one in incoming.points})
    assets = [one for code, one in current.assets.items() if code not in codes]
    points = [one for tag, one in current.points.items() if tag not in tags]
    gone = {
        *(Node(NodeKind.ASSET, one.code) for one in assets),
        *(Node(NodeKind.POINT, one.tag) for one in points),
    }
    relations = [
        one for one in current.relations.values() if one.subject in gone or one.object in gone
    ]
    return replace(
        plan,
        assets=(*plan.assets, *(Change(Action.RETIRE, one) for one in assets)),
        points=(*plan.points, *(Change(Action.RETIRE, one) for one in points)),
        relations=(*plan.relations, *(Change(Action.RETIRE, one) for one in relations)),
    )
