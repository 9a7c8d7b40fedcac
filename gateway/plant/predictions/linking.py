"""Find the assets that a text names, by code or name.

names of all assets -> those in the text -> mentions with word boundaries -> longest first
"""

import asyncio
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.asset_inputs import LinkedAssets, NamedAsset
from gateway.plant.assets.ids import ASSET
from gateway.plant.store.revisions import read_revision
from gateway.plant.store.tree import list_way
from gateway.tables.plant import PlantAsset
from infra import ids

# Longer texts are documents; an asset is named at the start or the end of a question.
_MAX_TEXT = 2_000
_MAX_TEXTS = 4
_MAX_CANDIDATES = 50
# Accounts whose names are kept: about 3 MB each for 5,000 assets.
_CAPACITY = 16
_MAX_ASSETS = 8
_MIN_LENGTH = 2
_SEPARATORS = re.compile(r"[-_ ./]+")


@dataclass(frozen=True)
class AssetKey:
    """The code and name of an asset that a text may contain."""

    id: UUID
    code: str
    name: str


@dataclass(frozen=True)
class Names:
    """Assets by their codes and names, folded and without separators, and the lengths of these."""

    by_name: Mapping[str, Sequence[AssetKey]]
    lengths: frozenset[int]

    @classmethod
    def of(cls, by_name: Mapping[str, Sequence[AssetKey]]) -> Self:
        """Return names with their lengths."""
        return cls(by_name, frozenset(map(len, by_name)))


class AssetNames:
    """The codes and names of the accounts whose assets were linked last. Bound to one event loop.

    They are kept until the account's plant model changes.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[int, Names]] = OrderedDict()

    async def of_account(self, session: AsyncSession, account_id: UUID) -> Names:
        """Return the names of an account's active assets at its current revision."""
        revision = await read_revision(session, account_id)
        known = self._known.get(account_id)
        if known is None or known[0] != revision:
            query = select(PlantAsset.id, PlantAsset.code, PlantAsset.name).where(
                col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None)
            )
            rows = [AssetKey(*row) for row in (await session.execute(query)).all()]
            known = (revision, await asyncio.to_thread(_by_name, rows))
            self._known[account_id] = known
        self._known.move_to_end(account_id)
        while len(self._known) > _CAPACITY:
            self._known.popitem(last=False)
        return known[1]


async def link_assets(
    session: AsyncSession, account_id: UUID, names: Names, texts: Sequence[str]
) -> LinkedAssets | None:
    """Return the assets that the newest message with any names; None without one.

    An asset that contains another named one is left out: "pump P-101 of line 2" names the pump.
    """
    for age, message in enumerate(reversed(texts[-_MAX_TEXTS:])):
        shown = fold(message[:_MAX_TEXT])
        named = find_mentions(shown, find_candidates(shown, names))
        if named:
            kept = await _without_ancestors(session, account_id, named[:_MAX_ASSETS])
            return LinkedAssets(tuple(named_asset(one) for one in kept), is_new=age == 0)
    return None


def find_candidates(shown: str, names: Names) -> list[AssetKey]:
    """Return assets whose code or name stands in a folded text, whatever stands around it."""
    compact = _SEPARATORS.sub("", shown)
    found = {
        key.id: key
        for length in names.lengths
        for start in range(len(compact) - length + 1)
        for key in names.by_name.get(compact[start : start + length], ())
    }
    return list(found.values())[:_MAX_CANDIDATES]


def _by_name(rows: Iterable[AssetKey]) -> Names:
    """Return assets by code and name."""
    by_name: dict[str, list[AssetKey]] = {}
    for key in rows:
        for name in {_SEPARATORS.sub("", fold(key.code)), _SEPARATORS.sub("", fold(key.name))}:
            if len(name) >= _MIN_LENGTH:
                by_name.setdefault(name, []).append(key)
    return Names.of(by_name)


def named_asset(row: AssetKey) -> NamedAsset:
    """Return an asset with its public id."""
    return NamedAsset(row.id, ids.format_id(ASSET, row.id), row.code, row.name)


def find_mentions(shown: str, keys: Iterable[AssetKey]) -> list[AssetKey]:
    """Return the assets whose code or name stands in a folded text, in the order of the text.

    Longer mentions win over shorter ones within them. Assets of the same name are all returned.
    """
    spans = [
        (*match.span(), key)
        for key in keys
        for name in {fold(key.code), fold(key.name)}
        if _is_telling(name)
        for match in _pattern(name).finditer(shown)
    ]
    spans.sort(key=lambda span: (span[0] - span[1], span[0]))
    taken: list[tuple[int, int]] = []
    found: dict[UUID, tuple[int, AssetKey]] = {}
    for start, end, key in spans:
        if any(start < other_end and end > other for other, other_end in taken) and (
            (start, end) not in taken
        ):
            continue
        taken.append((start, end))
        found.setdefault(key.id, (start, key))
    return [key for _, key in sorted(found.values(), key=lambda one: one[0])]


def fold(message: str) -> str:
    """Return a text in one width and case."""
    return unicodedata.normalize("NFKC", message).lower()


def _is_telling(name: str) -> bool:
    """Return whether a code or name tells an asset: numbers and signs alone do not."""
    letters = _SEPARATORS.sub("", name)
    has_letter = any(one.isalpha() for one in letters)
    return len(letters) >= _MIN_LENGTH and has_letter


def _pattern(name: str) -> re.Pattern[str]:
    """Return the pattern of a name: separators may differ, and no longer code may contain it."""
    parts = [re.escape(part) for part in _SEPARATORS.split(name) if part]
    middle = r"[-_ ./]*".join(parts)
    return re.compile(rf"(?<![a-z0-9])(?<![a-z0-9][-_./]){middle}(?![a-z0-9])(?![-_/.][a-z0-9])")


async def _without_ancestors(
    session: AsyncSession, account_id: UUID, named: Sequence[AssetKey]
) -> list[AssetKey]:
    """Return the assets that contain no other of them."""
    if len(named) < 2:
        return list(named)
    above: set[UUID] = set()
    for key in named:
        above.update(row.id for row in (await list_way(session, account_id, key.id))[:-1])
    return [key for key in named if key.id not in above]
