"""Checks of the hierarchy of assets: parents, levels, cycles and depth."""

from collections.abc import Callable, Iterable, Mapping

from gateway.plant.assets.limits import MAX_DEPTH
from gateway.plant.assets.values import Asset
from models.problems import Problem, Problems
from models.sentences import sentence

LineOf = Callable[[str], int | None]


def check_hierarchy(
    codes: Iterable[str], assets: Mapping[str, Asset], problems: Problems, line_of: LineOf
) -> None:
    """Add the problems of the assets `codes` within all assets of the account.

    `assets` are those that the account has after the change.
    """
    changed = list(codes)
    for code in changed:
        _check_parent(assets[code], assets, problems, line_of(code))
    depths: dict[str, int] = {}
    for code in changed:
        _check_path(code, assets, depths, problems, line_of)


def _check_parent(
    asset: Asset, assets: Mapping[str, Asset], problems: Problems, line: int | None
) -> None:
    """Add a problem if the parent of an asset is unknown or of a lower level."""
    if asset.parent is None:
        return
    parent = assets.get(asset.parent)
    if parent is None:
        message = sentence(
            "The parent {parent} of asset {code} does not exist.",
            parent=repr(asset.parent),
            code=repr(asset.code),
        )
        problems.add(
            Problem("unknown_parent", message, sentence("Add the parent."), line, "parent")
        )
    elif parent is not asset and not parent.level.may_contain(asset.level):
        message = sentence(
            "Asset {code} of level {level} cannot be a part of {parent} of level {parent_level}.",
            code=repr(asset.code),
            level=asset.level.value,
            parent=repr(parent.code),
            parent_level=parent.level.value,
        )
        fix = sentence("Correct the level of one of them, or move the asset.")
        problems.add(Problem("invalid_level", message, fix, line, "level"))


def _check_path(
    code: str,
    assets: Mapping[str, Asset],
    depths: dict[str, int],
    problems: Problems,
    line_of: LineOf,
) -> None:
    """Add a problem if the way from an asset to the top is a cycle or too long.

    `depths` are those of the assets on ways that were checked; each cycle is reported once.
    """
    way: list[str] = []
    on_way: set[str] = set()
    at: str | None = code
    while at is not None and at in assets and at not in depths:
        if at in on_way:
            _report_cycle(way[way.index(at) :], problems, line_of)
            depths.update(dict.fromkeys(way, 0))
            return
        way.append(at)
        on_way.add(at)
        at = assets[at].parent
    depth = depths.get(at, 0) if at is not None else 0
    for passed in reversed(way):
        depth += 1
        depths[passed] = depth
        if depth == MAX_DEPTH + 1:
            message = sentence(
                "Asset {code} is more than {most} levels below the top.",
                code=repr(passed),
                most=MAX_DEPTH,
            )
            fix = sentence("Move it up.")
            problems.add(Problem("too_deep", message, fix, line_of(passed), "parent"))


def _report_cycle(cycle: list[str], problems: Problems, line_of: LineOf) -> None:
    """Add the problem of a cycle, with at most five of its assets."""
    names = " → ".join(repr(code) for code in (*cycle[:5], cycle[0]))
    message = sentence("The assets {names} contain each other.", names=names)
    fix = sentence("Correct the parent of one of them.")
    problems.add(Problem("cycle", message, fix, line_of(cycle[0]), "parent"))
