"""Bearing life: values computed manually from ISO 281, and monotonicity in load."""

from math import log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mechanisms import MECHANISMS
from models.signature import InputInvalid

LIFE = MECHANISMS["bearing_life"]
BALL: dict[str, Any] = {
    "bearing": "ball",
    "dynamic_load_rating": 30_000.0,
    "equivalent_load": 5_000.0,
    "rotational_speed": 1_500.0,
    "reliability": 90.0,
    "a_iso": 1.0,
}


def life(units: dict[str, str] | None = None, **changes: Any) -> dict[str, float]:
    row = {name: [value] for name, value in {**BALL, **changes}.items()}
    return {name: float(column[0]) for name, column in LIFE.evaluate(row, units or {}).items()}


class TestBearingLife:
    def test_ball_bearing_life_follows_iso_281(self) -> None:
        """C/P = 30/5 = 6; L10 = 6³ = 216 million revolutions; 216e6 / (60 · 1500) = 2400 h.

        machinecalcs.com has the same example, also for the roller bearing below.
        """
        answer = life()
        assert answer["basic_rating_life"] == pytest.approx(216)
        assert answer["basic_rating_time"] == pytest.approx(2400)
        assert answer["modified_rating_life"] == pytest.approx(216)

    def test_roller_bearing_life_follows_iso_281(self) -> None:
        """6^(10/3) = 216 · 6^(1/3) = 216 · 1.8171206 = 392.49805."""
        assert life(bearing="roller")["basic_rating_life"] == pytest.approx(392.49805)

    @pytest.mark.parametrize(
        ("reliability", "a1"),
        [(90, 1), (95, 0.64), (96, 0.55), (97, 0.47), (98, 0.37), (99, 0.25)],
    )
    def test_reliability_factors_match_standard_table(self, reliability: float, a1: float) -> None:
        assert life(reliability=reliability)["modified_rating_life"] == pytest.approx(216 * a1)

    def test_modified_life_applies_reliability_and_a_iso(self) -> None:
        """0.64 · 2.5 · 216 = 345.6 million revolutions, in 345.6e6 / 90000 = 3840 h."""
        answer = life(reliability=95, a_iso=2.5)
        assert answer["modified_rating_life"] == pytest.approx(345.6)
        assert answer["modified_rating_time"] == pytest.approx(3840)

    def test_units_of_catalogue_are_converted(self) -> None:
        """30 kN, 5 kN and 25 revolutions per second equal the first example."""
        units = {"dynamic_load_rating": "kN", "equivalent_load": "kN", "rotational_speed": "1/s"}
        given = {"dynamic_load_rating": 30, "equivalent_load": 5, "rotational_speed": 25}
        assert life(units, **given)["basic_rating_time"] == pytest.approx(2400)


class TestBearingLifeProperties:
    @given(st.floats(1, 14_999), st.floats(1.0001, 2), st.sampled_from(["ball", "roller"]))
    def test_higher_load_shortens_life(self, load: float, more: float, bearing: str) -> None:
        heavier = min(load * more, 15_000.0)
        light, heavy = (life(bearing=bearing, equivalent_load=one) for one in (load, heavier))
        assert heavy["basic_rating_life"] < light["basic_rating_life"]

    @given(st.floats(90, 99))
    def test_interpolated_reliability_follows_weibull_curve(self, reliability: float) -> None:
        """a1 = 0.95 · (ln(100/S) / ln(100/90))^(2/3) + 0.05 of ISO/TR 1281-2, to 0.01."""
        weibull = 0.95 * (log(100 / reliability) / log(100 / 90)) ** (2 / 3) + 0.05
        assert life(reliability=reliability)["modified_rating_life"] / 216 == pytest.approx(
            weibull, abs=0.01
        )


class TestBearingLifeInputValidation:
    def test_load_over_half_the_rating_is_rejected(self) -> None:
        assert life(equivalent_load=15_000.0)["basic_rating_life"] == pytest.approx(8)
        with pytest.raises(InputInvalid, match="'equivalent_load' in row 0 is more than half"):
            life(equivalent_load=15_001.0)

    @pytest.mark.parametrize(
        "changes", [{"reliability": 99.9}, {"bearing": "Ball"}, {"equivalent_load": -1.0}]
    )
    def test_value_outside_limits_is_rejected(self, changes: dict[str, Any]) -> None:
        with pytest.raises(InputInvalid, match="in row 0"):
            life(**changes)
