"""References: bins of numbers and categories, counts of calls, and what changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.drift.comparison import compare_counts, highest_level
from models.drift.counts_text import format_counts, parse_counts
from models.drift.fitting import fit_means
from models.drift.psi import DriftLevel
from models.drift.reference import (
    MAX_INPUTS,
    CategoryBins,
    Reference,
    fit_categories,
    fit_numbers,
    read_reference,
)

GENERATOR = np.random.default_rng(2)
PRESSURE = GENERATOR.normal(100, 10, 2_000)
GRADES = np.array(["A", "B", ""] * 600 + ["C"] * 200, dtype=object)


def reference() -> Reference:
    inputs = (fit_numbers("pressure", "bar", PRESSURE), fit_categories("grade", GRADES))
    return Reference(inputs, fit_categories("failure", np.array(["no"] * 90 + ["yes"] * 10)))


def counted(pressure: np.ndarray, grade: list[str], failure: list[str]) -> list[int]:
    given = {"pressure": pressure, "grade": np.array(grade, dtype=object)}
    return reference().count(given, np.array(failure, dtype=object)).tolist()


class TestNumbers:
    def test_bins_hold_about_as_many_training_rows(self) -> None:
        below, *bins, above, missing = fit_numbers("p", None, PRESSURE).counts
        assert (below, above, missing) == (0, 0, 0)
        assert len(bins) == 10
        assert max(bins) - min(bins) <= 2

    def test_values_beyond_the_range_and_missing_ones_have_slots(self) -> None:
        bins = fit_numbers("p", None, np.array([1.0, 2, 3, 4] * 50 + [np.nan]))
        assert bins.counts[-1] == 1
        slots = bins.slots_of(np.array([0.0, 1.0, 4.0, 9.0, np.nan], dtype=np.float32))
        assert slots.tolist() == [0, 1, bins.slots - 3, bins.slots - 2, bins.slots - 1]

    def test_values_of_few_steps_fall_into_the_same_bins_when_they_are_called(self) -> None:
        steps = np.round(np.arange(0, 1.01, 0.1), 1)
        values = np.repeat(steps, 30)
        bins = fit_numbers("p", None, values)
        called = bins.slots_of(values.astype(np.float32))
        assert tuple(np.bincount(called, minlength=bins.slots)) == bins.counts

    def test_means_are_those_of_the_bins(self) -> None:
        bins = fit_numbers("p", None, PRESSURE)
        weighted = np.dot(bins.counts[1:-2], bins.means) / len(PRESSURE)
        assert weighted == pytest.approx(PRESSURE.mean())

    @given(st.lists(st.sampled_from([0.0, 1.0, 2.5, np.nan]), min_size=1, max_size=80))
    def test_each_training_value_is_counted_once_within_the_range(
        self, values: list[float]
    ) -> None:
        numbers = np.array([0.5, *values])
        bins = fit_numbers("p", None, numbers)
        assert sum(bins.counts) == len(numbers)
        assert (bins.counts[0], bins.counts[-2]) == (0, 0)
        assert len(bins.means) == bins.slots - 3

    def test_most_important_columns_of_many_are_watched(self) -> None:
        names = [(f"c{number}", None) for number in range(100)]
        means = np.random.default_rng(1).normal(size=(50, 100))
        found = fit_means(names, means, [float(number) for number in range(100)])
        assert [one.name for one in found] == [f"c{at}" for at in range(100 - MAX_INPUTS, 100)]


def test_rare_and_unknown_categories_are_others() -> None:
    texts = np.array([f"v{number}" for number in range(30)] + ["often"] * 9 + [""], dtype=object)
    bins = fit_categories("kind", texts)
    assert isinstance(bins, CategoryBins)
    assert "often" in bins.values
    assert (bins.counts[-2], bins.counts[-1]) == (21, 1)
    assert bins.slots_of(np.array(["new", ""], dtype=object)).tolist() == [10, 11]


class TestComparison:
    def test_same_distribution_has_no_drift(self) -> None:
        again = GENERATOR.normal(100, 10, 600)
        found = compare_counts(
            reference(),
            counted(again, ["A", "B", ""] * 180 + ["C"] * 60, ["no"] * 540 + ["yes"] * 60),
        )
        assert highest_level(found) is DriftLevel.NONE

    def test_shifted_input_comes_first_with_what_changed(self) -> None:
        shifted = GENERATOR.normal(125, 10, 600)
        found = compare_counts(
            reference(), counted(shifted, ["A"] * 600, ["no"] * 540 + ["yes"] * 60)
        )
        levels = {one.name: one.level for one in found}
        assert levels == {
            "pressure": DriftLevel.SIGNIFICANT,
            "grade": DriftLevel.SIGNIFICANT,
            "failure": DriftLevel.NONE,
        }
        assert found[0].psi >= found[1].psi >= found[2].psi
        pressure = next(one for one in found if one.name == "pressure")
        assert pressure.then.mean == pytest.approx(100, abs=1)
        assert pressure.now.mean is not None
        assert pressure.now.mean > 112
        assert pressure.now.outside > 0.1
        grade = next(one for one in found if one.name == "grade")
        assert dict(grade.now.shares)["A"] == 1
        assert grade.then.missing == pytest.approx(0.3)

    def test_no_counts_have_no_level(self) -> None:
        found = compare_counts(reference(), [0] * reference().slots)
        assert highest_level(found) is DriftLevel.NONE
        assert all(one.now.mean is None for one in found)


class TestText:
    @given(st.lists(st.integers(0, 1 << 20), max_size=300))
    def test_counts_are_the_same_after_a_round_trip(self, counts: list[int]) -> None:
        text = format_counts(counts)
        expected = {slot: count for slot, count in enumerate(counts) if count}
        assert (parse_counts(text) if text else {}) == expected

    @pytest.mark.parametrize("text", ["", "x y", "1,", "-1", "1*", "zzzz", "1*zzzzz", "é", "1\n"])
    def test_other_texts_are_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"slots|counts"):
            parse_counts(text)


def test_artefacts_of_other_kinds_have_no_reference() -> None:
    for artefact in (b"", b"\x08\x01ONNX", b'{"a": 1}', b"\x81\xa1a\x01"):
        assert read_reference(artefact) is None
