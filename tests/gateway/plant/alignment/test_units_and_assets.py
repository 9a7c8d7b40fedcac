"""Proposals of units and assets: evidence, contradictions, ambiguous names."""

from collections import Counter
from uuid import UUID

import pytest

from gateway.plant.alignment.assets import NamedAsset, index_assets, propose_asset
from gateway.plant.alignment.units import UnitProposal, propose_unit

LINE, PUMP, OTHER, LOOSE = (UUID(int=number) for number in range(1, 5))
ASSETS = (
    NamedAsset(LINE, "Works/Line 2", "Line 2", None),
    NamedAsset(PUMP, "Works/Line 2/Pump 3", "Pump 3", LINE),
    NamedAsset(OTHER, "Works/Line 5/Pump 3", "Pump 3", None),
    NamedAsset(LOOSE, "P-301", "Feed pump", None),
)


def test_unit_of_the_name_is_likelier_than_that_of_the_range() -> None:
    by_name, by_range = (
        propose_unit("degC", "name", Counter()),
        propose_unit("degC", "range", Counter()),
    )
    assert by_name == UnitProposal("degC", 0.95)
    assert by_range == UnitProposal("degC", 0.8)


def test_confirmed_points_of_the_concept_propose_and_contradict() -> None:
    assert propose_unit(None, None, Counter({"bar": 9})) == UnitProposal("bar", 0.9)
    disputed = propose_unit("degC", "range", Counter({"degF": 30}))
    assert disputed is not None
    assert (disputed.unit, round(disputed.probability, 2)) == ("degF", 0.79)
    assert propose_unit("degC", "range", Counter({"degF": 4})) is None


@pytest.mark.parametrize("unit", [None, "", "quux", "m" * 500])
def test_unknown_unit_is_not_proposed(unit: str | None) -> None:
    assert propose_unit(unit, "name", Counter()) is None


@pytest.mark.parametrize(
    ("tag", "asset", "probability"),
    [
        ("Works/Line 2/Pump 3/Temperature", PUMP, 0.95),
        ("works \\ line-2 \\ PUMP_3 \\ Temperature", PUMP, 0.95),
        ("Plant/Area/Works/Line 5/Pump 3/Temperature", OTHER, 0.93),
    ],
)
def test_path_of_a_tag_names_its_asset(tag: str, asset: UUID, probability: float) -> None:
    found = propose_asset(tag, None, index_assets(ASSETS))
    assert found is not None
    assert (found.asset_id, round(found.probability, 2)) == (asset, probability)


def test_name_of_several_assets_proposes_none() -> None:
    found = propose_asset("Plant/Hall/Pump 3/Temperature", "Pump 3", index_assets(ASSETS))
    assert found is None or found.probability < 0.5


def test_loop_number_and_its_siblings_name_an_asset() -> None:
    alone = propose_asset("TIC-301", None, index_assets(ASSETS))
    assert alone is not None
    assert (alone.asset_id, round(alone.probability, 2)) == (LOOSE, 0.67)
    points = [("FI-301", LOOSE), ("PI-301.PV", LOOSE), ("LI-302", PUMP)]
    more = propose_asset("TIC-301", None, index_assets(ASSETS, points))
    assert more is not None
    assert more.probability > alone.probability
    assert propose_asset("TI-999", None, index_assets(ASSETS, points)) is None


def test_tags_with_the_same_beginning_are_of_one_asset() -> None:
    points = [(f"SODA1R465__A{letter}", PUMP) for letter in "BCDE"]
    found = propose_asset("SODA1R465__ART", None, index_assets(ASSETS, points))
    assert found is not None
    assert (found.asset_id, found.probability) == (PUMP, 0.8)
    assert propose_asset("SODA1R466__ART", None, index_assets(ASSETS, points)) is None


@pytest.mark.parametrize("tag", ["", "/", "///", "a" * 2_000, "1" * 500, "\x00", "温度"])
def test_strange_tags_propose_no_asset(tag: str) -> None:
    assert (
        propose_asset(tag, None, index_assets(ASSETS, [(tag, PUMP)] if tag == "?" else [])) is None
    )
