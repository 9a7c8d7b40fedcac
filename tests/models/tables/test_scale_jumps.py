"""Columns whose unit seems to change within a file."""

import numpy as np
import pytest

from models.tables.columns import Kind, infer_column
from models.tables.scale_jumps import MIN_VALUES, ScaleJump, find_scale_jump
from models.tables.table import RawColumn

VALUES = np.random.default_rng(3).uniform(4.0, 7.0, 2 * MIN_VALUES)


def changed(factor: float, at: int = MIN_VALUES) -> np.ndarray:
    return np.concatenate([VALUES[:at], VALUES[at:] * factor])


@pytest.mark.parametrize("factor", [10.0, 100.0, 1000.0, 25.4, 60.0, 0.001, 1 / 6.895])
def test_change_by_the_factor_of_two_units_is_found(factor: float) -> None:
    found = find_scale_jump(changed(factor))
    assert found is not None
    assert found.row == MIN_VALUES
    assert found.factor == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("factor", [1.0, 1.5, 40.0, 500.0])
def test_other_change_is_none(factor: float) -> None:
    assert find_scale_jump(changed(factor)) is None


def test_single_values_out_of_scale_are_no_change() -> None:
    values = VALUES.copy()
    values[[3, 30]] *= 1000
    assert find_scale_jump(values) is None


def test_row_counts_missing_values_and_zeros() -> None:
    values = np.concatenate([[np.nan, 0.0], changed(100.0)])
    assert find_scale_jump(values) == ScaleJump(MIN_VALUES + 2, pytest.approx(100.0, rel=0.1))


@pytest.mark.parametrize("rows", [0, 1, 2 * MIN_VALUES - 1])
def test_short_column_has_no_change(rows: int) -> None:
    assert find_scale_jump(VALUES[:rows]) is None


def test_column_has_the_change() -> None:
    column = infer_column(RawColumn("pressure", changed(100.0), None), kind=Kind.NUMBER)
    assert column.scale_jump is not None
    assert column.scale_jump.row == MIN_VALUES
