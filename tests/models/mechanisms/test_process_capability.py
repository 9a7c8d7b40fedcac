"""Process capability: values computed manually, and a published interval."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.mechanisms import MECHANISMS
from models.mechanisms.process_capability import cpk_margin
from models.signature import InputInvalid

CAPABILITY = MECHANISMS["process_capability"]
ROW: dict[str, Any] = {
    "measurements": [9.0, 10.0, 11.0, 10.0, 11.0, 12.0, 9.0, 10.0, 11.0, 8.0, 9.0, 10.0],
    "subgroup_size": 3.0,
    "lower_limit": 4.0,
    "upper_limit": 14.5,
    "confidence": 95.0,
}


def capability(**changes: Any) -> dict[str, float]:
    row = {name: [value] for name, value in {**ROW, **changes}.items()}
    return {name: float(column[0]) for name, column in CAPABILITY.evaluate(row).items()}


class TestProcessCapability:
    def test_indices_of_four_subgroups_of_three(self) -> None:
        """Each subgroup has variance 1, so the deviation within is 1. The means are 10, 11, 10, 9.

        Mean 10. Squares in total 4 · 2 + 3 · (0 + 1 + 0 + 1) = 14, so the deviation in total is
        √(14/11) = 1.1281521. Cp = 10.5/6 = 1.75, Cpk = 4.5/3 = 1.5, Pp = 1.75/1.1281521 = 1.551209,
        Ppk = 1.5/1.1281521 = 1.329608.
        """
        answer = capability()
        assert answer["mean"] == pytest.approx(10)
        assert answer["deviation_within"] == pytest.approx(1)
        assert answer["deviation_total"] == pytest.approx(1.1281521)
        assert (answer["cp"], answer["cpk"]) == (pytest.approx(1.75), pytest.approx(1.5))
        assert answer["pp"] == pytest.approx(1.551209, abs=1e-6)
        assert answer["ppk"] == pytest.approx(1.329608, abs=1e-6)

    def test_confidence_interval_of_cpk(self) -> None:
        """12 values, 4 · 2 degrees of freedom: 1.959964 · √(1/108 + 2.25/16) = .758798."""
        answer = capability()
        assert answer["cpk_lower"] == pytest.approx(1.5 - 0.758798, abs=1e-6)
        assert answer["cpk_upper"] == pytest.approx(1.5 + 0.758798, abs=1e-6)

    def test_published_cpk_interval_is_reproduced(self) -> None:
        """Quality Digest, May 2000: Cpk 1.15 of 45 values is between .89 and 1.41 with 95 %."""
        half = cpk_margin(np.array([1.15]), 45, np.array([44.0]), np.array([95.0]))[0]
        assert (round(1.15 - half, 2), round(1.15 + half, 2)) == (0.89, 1.41)

    def test_single_subgroup_has_equal_within_and_total_deviation(self) -> None:
        answer = capability(subgroup_size=12.0)
        assert answer["cp"] == pytest.approx(answer["pp"])
        assert answer["deviation_within"] == pytest.approx(answer["deviation_total"])

    def test_subgroup_size_may_differ_per_row(self) -> None:
        row = {name: [value] * 2 for name, value in ROW.items()}
        answer = CAPABILITY.evaluate({**row, "subgroup_size": [3.0, 12.0]})
        assert answer["deviation_within"].tolist() == pytest.approx([1, 1.1281521])


values = st.lists(st.floats(-100, 100), min_size=12, max_size=12)


class TestProcessCapabilityProperties:
    @given(values, st.sampled_from([2.0, 3.0, 4.0, 6.0]), st.floats(0.1, 10), st.floats(-50, 50))
    def test_indices_are_invariant_to_scale_and_shift(
        self, drawn: list[float], size: float, scale: float, shift: float
    ) -> None:
        groups = np.array(drawn).reshape(-1, int(size))
        assume(groups.std(axis=1).max() > 0.01)
        moved = capability(
            measurements=[value * scale + shift for value in drawn],
            subgroup_size=size,
            lower_limit=4 * scale + shift,
            upper_limit=14.5 * scale + shift,
        )
        plain = capability(measurements=drawn, subgroup_size=size)
        for name in ("cp", "cpk", "cpk_lower", "cpk_upper", "pp", "ppk"):
            assert moved[name] == pytest.approx(plain[name], rel=1e-6, abs=1e-6)

    @given(values)
    def test_cpk_and_ppk_do_not_exceed_cp_and_pp(self, drawn: list[float]) -> None:
        assume(np.ptp(drawn) > 0.01 and np.array(drawn).reshape(-1, 3).std(axis=1).max() > 0.01)
        answer = capability(measurements=drawn)
        assert answer["cpk"] <= answer["cp"] + 1e-9
        assert answer["ppk"] <= answer["pp"] + 1e-9
        assert answer["cpk_lower"] <= answer["cpk"] <= answer["cpk_upper"]


class TestProcessCapabilityInputValidation:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"subgroup_size": 5.0}, "'subgroup_size' in row 0 does not divide"),
            ({"subgroup_size": 2.5}, "'subgroup_size' in row 0 does not divide"),
            ({"upper_limit": 4.0}, "'upper_limit' in row 0 is not above"),
            ({"measurements": [0.1] * 12}, "'measurements' in row 0 do not vary"),
            ({"measurements": [1.0] * 9}, "list of 10 to 1000 values"),
        ],
    )
    def test_invalid_input_is_rejected_with_field_name(
        self, changes: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(InputInvalid, match=words):
            capability(**changes)
