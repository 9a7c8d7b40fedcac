"""The hierarchy of assets: countless children, long chains, and cycles."""

from gateway.plant.assets.hierarchy import check_hierarchy
from gateway.plant.assets.limits import MAX_DEPTH
from gateway.plant.assets.values import Asset, AssetLevel
from models.problems import Problems

LEVEL = AssetLevel.COMPONENT


class CountedAssets(dict[str, Asset]):
    """Assets by code that count how often one is looked up."""

    looked_up = 0

    def __getitem__(self, code: str) -> Asset:
        self.looked_up += 1
        return super().__getitem__(code)

    def get(self, code: str, default: Asset | None = None) -> Asset | None:  # type: ignore[override]
        self.looked_up += 1
        return super().get(code, default)


def check(assets: CountedAssets) -> Problems:
    problems = Problems()
    check_hierarchy(list(assets), assets, problems, lambda _: None)
    return problems


def chain(length: int) -> list[Asset]:
    """Return assets of which each is part of the one before."""
    return [Asset(f"C{n}", "", LEVEL, f"C{n - 1}" if n else None) for n in range(length)]


def counted(assets: list[Asset]) -> CountedAssets:
    return CountedAssets({one.code: one for one in assets})


def test_children_of_one_parent_are_each_looked_up_a_few_times() -> None:
    count = 20_000
    children = [Asset(f"P{n}", "", LEVEL, "W") for n in range(count)]
    assets = counted([Asset("W", "", AssetLevel.SITE), *children])
    assert check(assets).count == 0
    assert assets.looked_up < 8 * count


def test_chain_up_to_the_limit_is_accepted_and_a_longer_one_refused() -> None:
    assert check(counted(chain(MAX_DEPTH))).count == 0
    assert check(counted(chain(MAX_DEPTH + 2))).count > 0


def test_cycle_is_reported_once_also_with_all_that_hangs_on_it() -> None:
    ring = [Asset(code, "", LEVEL, parent) for code, parent in (("A", "B"), ("B", "C"), ("C", "A"))]
    hanging = [Asset(f"H{n}", "", LEVEL, "A") for n in range(50)]
    problems = check(counted([*ring, *hanging]))
    assert [one.code for one in problems.shown].count("cycle") == 1
