"""Parents and levels of imported assets: no cycles, and every parent contains its children."""

from collections.abc import Mapping

from gateway.plant.assets.values import AssetLevel
from gateway.plant.formats.results import NoteCode, NoteCollector

_LEVELS = tuple(AssetLevel)


def without_cycles(parents: Mapping[str, str], notes: NoteCollector) -> dict[str, str]:
    """Return the parents by code, without one edge of each cycle, which is noted."""
    kept = dict(parents)
    finished: set[str] = set()
    for code in sorted(parents):
        path: set[str] = set()
        current = code
        while current in kept and current not in finished:
            path.add(current)
            if kept[current] in path:
                notes.add(NoteCode.CYCLE, current)
                del kept[current]
                break
            current = kept[current]
        finished |= path
    return kept


def fit_levels(
    levels: Mapping[str, AssetLevel], parents: Mapping[str, str], notes: NoteCollector
) -> dict[str, AssetLevel]:
    """Return the levels by code, lowered where a parent could not contain the child.

    The parents must be free of cycles.
    """
    fitted: dict[str, AssetLevel] = {}
    for code in levels:
        chain = [code]
        while chain[-1] not in fitted and chain[-1] in parents:
            chain.append(parents[chain[-1]])
        for current in reversed(chain):
            if current not in fitted:
                parent = fitted.get(parents.get(current, ""))
                fitted[current] = _fit(levels[current], parent)
                if fitted[current] is not levels[current]:
                    notes.add(NoteCode.LEVEL_CHANGED, current)
    return fitted


def _fit(level: AssetLevel, parent: AssetLevel | None) -> AssetLevel:
    """Return the level, or the next one that the parent may contain."""
    if parent is None or parent.may_contain(level):
        return level
    return parent if parent.may_contain(parent) else _LEVELS[parent.rank + 1]
