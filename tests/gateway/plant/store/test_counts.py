"""Counts of assets: points are those of the asset and all its parts."""

from gateway.plant.store.counts import AssetCounts, sum_up
from infra import ids


def test_points_of_parts_count_for_the_assets_above() -> None:
    site, line, pump, other = (ids.new_id() for _ in range(4))
    parents = {pump: line, line: site, site: None, other: None}
    points = [(pump, "confirmed", 2), (line, "proposed", 1), (None, "unmapped", 4)]
    counts = sum_up(parents, points)
    assert counts == {
        pump: AssetCounts(0, 2, 2, 0),
        line: AssetCounts(1, 3, 2, 1),
        site: AssetCounts(1, 3, 2, 1),
        other: AssetCounts(),
        None: AssetCounts(2, 7, 2, 1),
    }
    assert counts[None].unmapped == 4
