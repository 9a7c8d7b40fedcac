"""Assets of hierarchy paths such as `Works 1/Boiler house/Line 2/Pump 3`.

Each segment is an asset. Its code is the path to it, so that equal names below different parents
stay apart; its name is the segment.
"""

import re
from collections.abc import Mapping

from gateway.plant.assets.limits import MAX_DEPTH
from gateway.plant.assets.values import Asset, AssetLevel

_SEPARATOR = re.compile(r"[/\\>＞／]")
_ABOVE = (AssetLevel.SITE, AssetLevel.AREA, AssetLevel.WORK_CENTER, AssetLevel.WORK_UNIT)


def split_path(text: str) -> tuple[str, ...]:
    """Return the segments of a path, at most MAX_DEPTH + 1 of them."""
    segments = (part.strip() for part in _SEPARATOR.split(text, maxsplit=MAX_DEPTH + 1))
    return tuple(part for part in segments if part)


class PathAssets:
    """Collects the assets of paths.

    An asset that the account has keeps its name and level. Of the others, those with parts get the
    levels of ISA-95 from the top (site, area, work center, work unit), and those without are
    equipment.
    """

    def __init__(self, existing: Mapping[str, Asset]) -> None:
        self._existing = existing
        self._parents: dict[str, str | None] = {}
        self._names: dict[str, str] = {}
        self._depths: dict[str, int] = {}
        self._inner: set[str] = set()

    def add(self, segments: tuple[str, ...], *, has_parts: bool = False) -> str:
        """Add the assets of a path and return the code of the last, which may have other parts."""
        parent: str | None = None
        code = ""
        for depth, segment in enumerate(segments):
            code = segment if parent is None else f"{parent}/{segment}"
            if code not in self._parents:
                self._parents[code], self._names[code], self._depths[code] = parent, segment, depth
            parent = code
        if has_parts:
            self._inner.add(code)
        return code

    def assets(self) -> list[Asset]:
        """Return the assets of all paths, each after its parent."""
        inner = self._inner | {one for one in self._parents.values() if one is not None}
        return [self._asset(code, parent, code in inner) for code, parent in self._parents.items()]

    def _asset(self, code: str, parent: str | None, has_parts: bool) -> Asset:
        """Return the asset of a code."""
        existing = self._existing.get(code)
        if existing is not None:
            return Asset(code, existing.name, existing.level, parent)
        depth = self._depths[code]
        is_above = has_parts and depth < len(_ABOVE)
        level = _ABOVE[depth] if is_above else AssetLevel.EQUIPMENT
        return Asset(code, self._names[code], level, parent)
