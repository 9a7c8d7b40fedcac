"""Pairs of points of two plants: one to one, confidence, units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.alignment.pairing import (
    PlantPointView,
    UnitRelation,
    compare_points,
    compare_units,
)
from gateway.plant.assets.values import Concept

TEMPERATURE, PRESSURE = Concept("brick", "temperature"), Concept("brick", "pressure")


def point(
    tag: str, concept: Concept = TEMPERATURE, unit: str = "", probability: float = 1.0
) -> PlantPointView:
    return PlantPointView(tag, "", "", unit, concept, probability)


def test_single_points_of_a_concept_are_paired_by_their_probabilities() -> None:
    (pair,) = compare_points([point("A", probability=0.9)], [point("Z", probability=0.5)]).pairs
    assert pair.confidence == 0.45


def test_points_are_paired_by_similar_names() -> None:
    ours = [point("pump 1 temp"), point("pump 2 temp"), point("fan 1 temp")]
    theirs = [point("TEMP_FAN_01"), point("TEMP_PUMP_02"), point("TEMP_PUMP_01")]
    found = compare_points(ours, theirs)
    assert {(pair.first.tag, pair.second.tag) for pair in found.pairs} == {
        ("pump 1 temp", "TEMP_PUMP_01"),
        ("pump 2 temp", "TEMP_PUMP_02"),
        ("fan 1 temp", "TEMP_FAN_01"),
    }
    assert all(pair.confidence < 1 for pair in found.pairs)


def test_concepts_of_one_plant_only_are_counted() -> None:
    found = compare_points([point("A"), point("B", PRESSURE)], [point("Z")])
    assert (dict(found.only_first), dict(found.only_second)) == ({PRESSURE: 1}, {})


def test_points_without_a_partner_are_left_over() -> None:
    found = compare_points([point("pump 1"), point("pump 2")], [point("PUMP 2")])
    assert [one.tag for one in found.unpaired_first] == ["pump 1"]


NAMES = st.lists(st.text("ab 1", min_size=1, max_size=6), unique=True, max_size=8)


@given(NAMES, NAMES)
def test_no_point_is_paired_twice(ours: list[str], theirs: list[str]) -> None:
    found = compare_points(map(point, ours), map(point, theirs))
    for side in ("first", "second"):
        tags = [getattr(pair, side).tag for pair in found.pairs]
        assert len(tags) == len(set(tags))
    assert all(0 <= pair.confidence <= 1 for pair in found.pairs)
    assert len(found.pairs) + len(found.unpaired_first) == (len(ours) if theirs else 0)


@pytest.mark.parametrize(
    ("first", "second", "relation", "factor", "offset"),
    [
        ("degC", "℃", UnitRelation.SAME, 1, 0),
        ("degC", "degF", UnitRelation.CONVERTIBLE, 5 / 9, -160 / 9),
        ("bar", "kPa", UnitRelation.CONVERTIBLE, 0.01, 0),
        ("bar", "degC", UnitRelation.INCONVERTIBLE, None, None),
        ("bar", "", UnitRelation.UNKNOWN, None, None),
        ("bar", "quux", UnitRelation.UNKNOWN, None, None),
    ],
)
def test_units_are_compared(
    first: str, second: str, relation: UnitRelation, factor: float | None, offset: float | None
) -> None:
    found = compare_units(first, second)
    assert found.relation is relation
    assert found.factor == (None if factor is None else pytest.approx(factor))
    assert found.offset == (None if offset is None else pytest.approx(offset))
