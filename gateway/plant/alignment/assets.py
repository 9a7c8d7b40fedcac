"""Propose the asset of a point that has none, from path and loop names of its tag.

    Works/Line 2/Pump 3/TI    the path, or its last segments, name an asset
    TIC-301.PV                assets and points with the number of the loop
    SODA1R465__ART            points with the same beginning

Evidence is weighed in confirmed cases; an asset that several names fit shares its weight.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from gateway.plant.alignment.evidence import likeliest, scaled
from models.tag_align.parsing.separators import split_segments

_WHOLE_PATH, _SEVERAL_SEGMENTS, _ONE_SEGMENT, _LOOP = 19.0, 14.0, 9.0, 2.0
# Other points of the account with the same beginning or loop: confirmed cases, up to this.
_MAX_SIBLINGS = 14.0
_MIN_PROBABILITY = 0.5
_PATH = re.compile(r"\s*[/\\>＞／|]\s*")
_WORDS = re.compile(r"[^\W_]+")
_LOOP_NAME = re.compile(r"([A-Za-z]{1,5})[-_ ]?(\d{2,6}[A-Za-z]?)(?:[._-]?[A-Za-z]{1,4})?")
_NUMBER = re.compile(r"\d{2,6}")
_BEGINNING = re.compile(r"(.*\d[^\W_]*)[._\-:/ ]+[^\d]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AssetProposal:
    """The id of an asset, with a probability from 0 to 1."""

    asset_id: UUID
    probability: float


@dataclass(frozen=True, slots=True)
class AssetNames:
    """The account's assets by their names, and its points that have an asset.

    by_path: assets by their whole code or path of names. by_name: by the last segment of either.
    by_number: by a number in that. siblings: assets of points by beginning or loop of their tags.
    """

    by_path: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    by_name: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    by_number: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    siblings: Mapping[str, Counter[UUID]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedAsset:
    """An asset with its code, its name and the code of its parent."""

    id: UUID
    code: str
    name: str
    parent_id: UUID | None


def index_assets(
    assets: Sequence[NamedAsset], points: Iterable[tuple[str, UUID]] = ()
) -> AssetNames:
    """Return the index of assets; `points` are tags with the asset that they have."""
    by_path: dict[str, set[UUID]] = defaultdict(set)
    by_name: dict[str, set[UUID]] = defaultdict(set)
    by_number: dict[str, set[UUID]] = defaultdict(set)
    for asset in assets:
        segments = _PATH.split(asset.code)
        by_path[_joined(segments)].add(asset.id)
        for text in {segments[-1], asset.name}:
            by_name[_joined([text])].add(asset.id)
            for number in _NUMBER.findall(text):
                by_number[number].add(asset.id)
    siblings: dict[str, Counter[UUID]] = defaultdict(Counter)
    for tag, asset_id in points:
        for key in _sibling_keys(tag):
            siblings[key][asset_id] += 1
    return AssetNames(_frozen(by_path), _frozen(by_name), _frozen(by_number), siblings)


def propose_asset(tag: str, equipment: str | None, names: AssetNames) -> AssetProposal | None:
    """Return the likeliest asset of a tag, None if none is likelier than not.

    equipment: the nearest equipment in the tag, as the model reads it.
    """
    weights: defaultdict[UUID, float] = defaultdict(float)
    parents = list(split_segments(tag))[:-1]
    _add(weights, *_fitting(parents, names))
    if equipment and _joined([equipment]) != _joined(parents[-1:]):
        _add(weights, names.by_name.get(_joined([equipment]), frozenset()), _ONE_SEGMENT)
    loop = _LOOP_NAME.fullmatch(tag.strip())
    if loop is not None:
        _add(weights, names.by_number.get(loop[2].rstrip(_LETTERS), frozenset()), _LOOP)
    for key in _sibling_keys(tag):
        for asset_id, weight in scaled(names.siblings.get(key, Counter()), _MAX_SIBLINGS).items():
            weights[asset_id] += weight
    found = likeliest(weights)
    if found is None or found[1] < _MIN_PROBABILITY:
        return None
    return AssetProposal(*found)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _fitting(parents: Sequence[str], names: AssetNames) -> tuple[frozenset[UUID], float]:
    """Return the assets that the segments above a point name, and how much that weighs."""
    if not parents:
        return frozenset(), 0.0
    for start in range(len(parents)):
        found = names.by_path.get(_joined(parents[start:]), frozenset())
        if found:
            is_whole = start == 0 and len(parents) > 1
            several = len(parents) - start > 1
            weight = _WHOLE_PATH if is_whole else _SEVERAL_SEGMENTS if several else _ONE_SEGMENT
            return found, weight
    return names.by_name.get(_joined(parents[-1:]), frozenset()), _ONE_SEGMENT


def _add(weights: defaultdict[UUID, float], assets: frozenset[UUID], weight: float) -> None:
    """Add evidence for assets, which share its weight."""
    for asset_id in assets:
        weights[asset_id] += weight / len(assets)


def _sibling_keys(tag: str) -> tuple[str, ...]:
    """Return what the tags of one asset have in common: the path or beginning, and the loop."""
    text = tag.strip()
    parents = split_segments(text)[:-1]
    loop = _LOOP_NAME.fullmatch(text)
    if loop is not None:
        return (f"loop {loop[2].casefold()}",)
    if parents:
        return (f"path {_joined(parents)}",)
    beginning = _BEGINNING.fullmatch(text)
    return (f"start {_joined([beginning[1]])}",) if beginning is not None else ()


def _joined(segments: Sequence[str]) -> str:
    """Return segments in a form in which case, blanks and signs do not count."""
    return "/".join(" ".join(_WORDS.findall(segment.casefold())) for segment in segments)


def _frozen(found: Mapping[str, set[UUID]]) -> Mapping[str, frozenset[UUID]]:
    """Return sets that cannot change, without those of empty names."""
    return {name: frozenset(assets) for name, assets in found.items() if name}
