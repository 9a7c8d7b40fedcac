"""JSON of an import plan: its counts, and its first changes."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.plant.assets.plan import Action, Change, ImportPlan
from gateway.plant.assets.values import Asset, Entity, Point, Relation

MAX_SHOWN = 200
# What changes or ends comes before what is new.
_ORDER = (Action.RETIRE, Action.UPDATE, Action.CREATE)
_OBJECTS = {
    "assets": "plant.asset",
    "points": "plant.point",
    "entities": "plant.entity",
    "relations": "plant.relation",
}


def plan_json(plan: ImportPlan) -> dict[str, Any]:
    """Return the counts of a plan and its first MAX_SHOWN changes."""
    changes = [change for change, _ in zip(_changes(plan), range(MAX_SHOWN), strict=False)]
    total = sum(len(changes) for changes in plan.by_kind().values())
    return {"counts": plan.counts(), "changes": changes, "change_count": total}


def key_of(value: Asset | Point | Entity | Relation) -> str:
    """Return what identifies a value for people: code, tag or statement."""
    match value:
        case Asset() | Entity():
            return value.code
        case Point():
            return value.tag
        case Relation():
            return f"{value.subject.code} {value.predicate} {value.object.code}"


def _changes(plan: ImportPlan) -> Iterator[dict[str, Any]]:
    """Yield the changes, the most consequential first."""
    for action in _ORDER:
        for kind, changes in plan.by_kind().items():
            for change in changes:
                if change.action is action:
                    yield _change_json(_OBJECTS[kind], change)


def _change_json(kind: str, change: Change[Any]) -> dict[str, Any]:
    """Return a change with the fields that differ."""
    return {
        "object": kind,
        "action": change.action.value,
        "key": key_of(change.value),
        "name": getattr(change.value, "name", ""),
        "fields": [
            {
                "name": one.name,
                "before": msgspec.to_builtins(one.before),
                "after": msgspec.to_builtins(one.after),
            }
            for one in change.fields
        ],
    }


def value_text(value: Any) -> str:
    """Return the JSON value of a field as a text for people; a dash for a missing one."""
    match value:
        case None | "":
            return "–"
        case float():
            return f"{value:.15g}"
        case {"scheme": _, "id": identity}:
            return str(identity).rpartition("#")[2]
        case {"value": text, "unit": unit}:
            return f"{text} {unit}".strip()
        case dict():
            texts = (f"{name}: {value_text(one)}" for name, one in value.items())
            return ", ".join(texts)[:300] or "–"
        case _:
            return str(value)[:300]
