"""Savings of warnings pooled over kinds of machine, and their bootstrap intervals."""

import numpy as np
import pytest

from load.bench.agents.pooling import Block, pooled_saving


def test_kind_with_many_costs_counts_as_much_as_one_with_few() -> None:
    kinds = {
        "large": [Block(usual=100.0, learned=50.0, never=100.0)] * 10,
        "small": [Block(usual=1.0, learned=1.0, never=1.0)] * 10,
    }
    found = pooled_saving(kinds)
    assert found.value == pytest.approx(0.25)
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))


def test_blocks_that_differ_widen_the_interval_and_drawing_kinds_widens_it_further() -> None:
    random = np.random.default_rng(1)
    kinds = {
        name: [Block(10.0, 10.0 - mean * float(random.random()), 10.0) for _ in range(12)]
        for name, mean in (("a", 8.0), ("b", 2.0), ("c", -4.0))
    }
    within, over = pooled_saving(kinds), pooled_saving(kinds, over_kinds=True)
    assert within.low < within.value < within.high
    assert over.low < within.low
    assert within.high < over.high
    assert within.value == over.value


def test_usual_rule_without_costs_has_no_saving_and_no_interval() -> None:
    found = pooled_saving({"a": [Block(0.0, 1.0, 10.0)] * 3})
    assert not np.isfinite(found.value)
    assert found.low == -np.inf
