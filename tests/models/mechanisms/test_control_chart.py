"""Control charts: each rule on constructed points, with manually determined results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mechanisms import MECHANISMS
from models.signature import InputInvalid

CHART = MECHANISMS["control_chart"]
SINGLE = "beyond_3_sigma"
TWO_OF_THREE = "two_of_three_beyond_2_sigma"
FOUR_OF_FIVE = "four_of_five_beyond_1_sigma"
EIGHT = "eight_on_one_side"
SEVEN = "seven_on_one_side"
TREND = "seven_rising_or_falling"


def broken(points: list[float], rule: str, centre: float = 0, deviation: float = 1) -> list[int]:
    """Return the indices of the points that break `rule`."""
    answer = CHART.evaluate({"points": [points], "centre": [centre], "deviation": [deviation]})
    return np.flatnonzero(answer[rule][0]).tolist()


class TestControlChartRules:
    """Points are in units of the deviation from the centre. A pattern marks its last point."""

    @pytest.mark.parametrize(
        ("rule", "points", "found"),
        [
            (SINGLE, [0, 3, 3.01, -3.01, 1], [2, 3]),
            # The third point is below, the fourth above: the last has two of three above 2.
            (TWO_OF_THREE, [2.1, 0, -2.5, 2.1, 0, 2.1], [5]),
            (TWO_OF_THREE, [2.1, 2.2, 0, 0, -2.1, 0, -2.1], [1, 6]),
            # Two of three, but the last point is inside the limits, so it is not marked.
            (TWO_OF_THREE, [2.1, 2.1, 1.0], [1]),
            (TWO_OF_THREE, [2.1, -2.1, 2.0], []),
            (FOUR_OF_FIVE, [1.1, 1.1, 0, 1.1, 1.1, 1.1, 0], [4, 5]),
            (FOUR_OF_FIVE, [-1.1, -1.1, -1.1, 1.1, -1.1], [4]),
            (FOUR_OF_FIVE, [1, 1, 1, 1, 1], []),
            (EIGHT, [0.1] * 9, [7, 8]),
            (EIGHT, [0.1] * 7 + [0] + [0.1] * 7, []),
            (SEVEN, [-0.1] * 8, [6, 7]),
            (SEVEN, [0.1] * 6 + [-0.1] * 6, []),
            (TREND, [-3, -2, -1, 0, 1, 2, 3, 2], [6]),
            (TREND, [3, 2, 1, 0, -1, -2, -3], [6]),
            (TREND, [0, 1, 2, 3, 4, 5], []),
            (TREND, [0, 1, 2, 3, 3, 4, 5, 6], []),
        ],
    )
    def test_rule_marks_last_point_of_pattern(
        self, rule: str, points: list[float], found: list[int]
    ) -> None:
        assert broken(points, rule) == found

    def test_centre_and_deviation_scale_the_limits(self) -> None:
        """Centre 50.00 mm, deviation 0.02 mm: limits 49.94 and 50.06."""
        assert broken([50.01, 50.07, 49.95, 49.93], SINGLE, centre=50, deviation=0.02) == [1, 3]

    def test_several_charts_are_evaluated_independently(self) -> None:
        answer = CHART.evaluate({"points": [[0, 4], [4, 0]], "centre": [0, 4], "deviation": [1, 1]})
        assert answer[SINGLE].tolist() == [[False, True], [False, True]]

    def test_single_point_is_evaluated(self) -> None:
        assert broken([4], SINGLE) == [0]
        assert broken([4], TREND) == []


points = st.lists(st.floats(-5, 5), min_size=1, max_size=40)


class TestControlChartProperties:
    @given(points, st.sampled_from([SINGLE, TWO_OF_THREE, FOUR_OF_FIVE, EIGHT, SEVEN, TREND]))
    def test_mirrored_chart_breaks_the_same_rules(self, drawn: list[float], rule: str) -> None:
        assert broken([-point for point in drawn], rule) == broken(drawn, rule)

    @given(points)
    def test_eight_on_one_side_implies_seven_on_one_side(self, drawn: list[float]) -> None:
        assert set(broken(drawn, EIGHT)) <= set(broken(drawn, SEVEN))

    @given(points, st.integers(0, 39))
    def test_later_points_do_not_change_earlier_results(self, drawn: list[float], cut: int) -> None:
        cut = max(1, min(cut, len(drawn)))
        for rule in (SINGLE, TWO_OF_THREE, FOUR_OF_FIVE, EIGHT, SEVEN, TREND):
            known = [number for number in broken(drawn, rule) if number < cut]
            assert broken(drawn[:cut], rule) == known


class TestControlChartInputValidation:
    def test_zero_deviation_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match=r"'deviation' in row 0 \(0\) is below"):
            broken([1], SINGLE, deviation=0)
