"""Pumps: values computed manually, and conversion between two speeds and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mechanisms import MECHANISMS
from models.signature import InputInvalid

AFFINITY, EFFICIENCY = MECHANISMS["pump_affinity"], MECHANISMS["pump_efficiency"]


def transferred(flow: float, head: float, power: float, speed: float, new: float) -> list[float]:
    row = [flow, head, power, speed, new]
    names = [field.name for field in AFFINITY.inputs]
    answer = AFFINITY.evaluate({name: [value] for name, value in zip(names, row, strict=True)})
    return [float(column[0]) for column in answer.values()]


def efficiency(
    flow: float, head: float, density: float, power: float, units: dict[str, str] | None = None
) -> tuple[float, float]:
    row = {"flow": [flow], "head": [head], "density": [density], "shaft_power": [power]}
    answer = EFFICIENCY.evaluate(row, units or {})
    return float(answer["hydraulic_power"][0]), float(answer["efficiency"][0])


class TestPumpAffinity:
    def test_reduced_speed_scales_flow_head_and_power(self) -> None:
        """0.8, 0.8² = 0.64 and 0.8³ = 0.512 of 100 m³/h, 50 m and 20 kW."""
        assert transferred(100, 50, 20, 1500, 1200) == pytest.approx([80, 32, 10.24])

    @given(st.floats(1, 1e4), st.floats(1, 1e3), st.floats(0.1, 1e3), st.floats(0.51, 1.99))
    def test_speed_change_and_reversal_restore_values(
        self, flow: float, head: float, power: float, ratio: float
    ) -> None:
        there = transferred(flow, head, power, 1000, 1000 * ratio)
        back = transferred(*there, 1000 * ratio, 1000)
        assert back == pytest.approx([flow, head, power])

    @given(st.floats(1, 1e4), st.floats(1, 1e3), st.floats(0.51, 1.99))
    def test_speed_change_keeps_efficiency(self, flow: float, head: float, ratio: float) -> None:
        new = transferred(flow, head, 1e5, 1000, 1000 * ratio)
        before, after = efficiency(flow, head, 1000, 1e5), efficiency(new[0], new[1], 1000, new[2])
        assert after[1] == pytest.approx(before[1])

    @pytest.mark.parametrize("new", [499, 2001])
    def test_speed_ratio_outside_half_to_double_is_rejected(self, new: float) -> None:
        with pytest.raises(InputInvalid, match="'new_rotational_speed' in row 0 is less than half"):
            transferred(100, 50, 20, 1000, new)


class TestPumpEfficiency:
    def test_efficiency_of_water_pump(self) -> None:
        """1000 · 9.80665 · 100/3600 · 30 = 8172.208 W; of 10.9 kW that is .749744."""
        power, share = efficiency(100, 30, 1000, 10.9)
        assert power == pytest.approx(8.172208, abs=1e-6)
        assert share == pytest.approx(0.749744, abs=1e-6)

    def test_other_units_give_the_same_result(self) -> None:
        """The same with 100/3.6 L/s, 30 m = 98.4252 ft, 1 g/cm³ and 10,900 W."""
        units = {"flow": "L/s", "head": "ft", "density": "g/cm³", "shaft_power": "W"}
        power, share = efficiency(100 / 3.6, 98.4251969, 1, 10_900, units)
        assert (power, share) == (pytest.approx(8.172208), pytest.approx(0.749744, abs=1e-6))

    def test_hydraulic_power_over_shaft_power_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="'shaft_power' in row 0 is less than the liquid"):
            efficiency(100, 30, 1000, 8.1)
