"""The population stability index: its properties, its chance bound, and its levels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.drift.psi import (
    DriftLevel,
    chance_bound,
    level_of,
    population_stability,
    settled_level,
)

PAIRS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=12)
NONE, MODERATE, SIGNIFICANT = DriftLevel


@given(PAIRS)
def test_index_is_never_negative_and_symmetric(pairs: list[tuple[int, int]]) -> None:
    before, after = [one for one, _ in pairs], [two for _, two in pairs]
    index = population_stability(before, after)
    assert index >= 0
    assert math.isfinite(index)
    assert index == pytest.approx(population_stability(after, before))


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=12))
def test_equal_counts_have_the_index_zero(counts: list[int]) -> None:
    assert population_stability(counts, counts) == pytest.approx(0, abs=1e-12)


@given(st.permutations(range(6)))
def test_order_of_bins_does_not_matter(order: list[int]) -> None:
    before, after = [10, 20, 30, 40, 50, 0], [50, 40, 30, 20, 10, 3]
    shuffled = population_stability([before[at] for at in order], [after[at] for at in order])
    assert shuffled == pytest.approx(population_stability(before, after))


def test_index_is_that_of_the_formula_for_many_rows() -> None:
    index = population_stability([500_000, 500_000], [600_000, 400_000])
    expected = 0.1 * math.log(0.6 / 0.5) - 0.1 * math.log(0.4 / 0.5)
    assert index == pytest.approx(expected, rel=1e-4)


def test_bound_is_rarely_exceeded_without_drift() -> None:
    generator = np.random.default_rng(5)
    exceeded = 0
    for _ in range(400):
        before = generator.multinomial(300, [0.1] * 10).tolist()
        after = generator.multinomial(200, [0.1] * 10).tolist()
        exceeded += population_stability(before, after) > chance_bound(before, after, 1)
    # One of a hundred is expected.
    assert exceeded <= 12


def test_bound_is_the_quantile_of_chi_square() -> None:
    # χ² of 9 degrees of freedom: 21.666 at 99 %.
    counts = [100] * 10
    assert chance_bound(counts, counts, 1) == pytest.approx(21.666 * 2 / 1000, rel=0.01)
    assert chance_bound(counts, counts, 10) > chance_bound(counts, counts, 1)


def test_one_bin_or_no_rows_cannot_tell_drift() -> None:
    assert chance_bound([5, 0], [9, 0], 1) == math.inf
    assert chance_bound([5, 5], [0, 0], 1) == math.inf


@pytest.mark.parametrize(
    ("index", "bound", "level"),
    [
        (0.09, 0, NONE),
        (0.1, 0, MODERATE),
        (0.25, 0, MODERATE),
        (0.26, 0, SIGNIFICANT),
        (0.2, 0.21, NONE),
        (0.3, 0.31, NONE),
    ],
)
def test_level_needs_the_customary_index_and_more_than_chance(
    index: float, bound: float, level: DriftLevel
) -> None:
    assert level_of(index, bound) is level


@pytest.mark.parametrize(
    ("before", "found", "index", "level"),
    [
        (NONE, SIGNIFICANT, 0.3, SIGNIFICANT),
        (SIGNIFICANT, MODERATE, 0.24, SIGNIFICANT),
        (SIGNIFICANT, MODERATE, 0.19, MODERATE),
        (MODERATE, NONE, 0.09, MODERATE),
        (MODERATE, NONE, 0.07, NONE),
        (SIGNIFICANT, NONE, 0.05, NONE),
    ],
)
def test_level_rises_at_once_and_falls_with_a_margin(
    before: DriftLevel, found: DriftLevel, index: float, level: DriftLevel
) -> None:
    assert settled_level(before, found, index) is level
