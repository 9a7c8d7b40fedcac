"""Line charts of readings as SVG."""

import math

from gateway.dashboard.line_chart import HEIGHT, WIDTH, draw_line, spark_path


def test_line_is_interrupted_by_missing_values_and_its_marks_are_round() -> None:
    chart = draw_line([0, 1, 2, 3], [1.0, 9.3, math.nan, 4.0], (0, 4), str, "{:g}".format)
    assert chart is not None
    assert chart.path.count("M") == 2
    assert [one.text for one in chart.y_ticks] == ["0", "2.5", "5", "7.5", "10"]
    assert [one.text for one in chart.x_ticks] == ["1", "2", "3"]
    assert all(0 <= one.at <= HEIGHT for one in chart.y_ticks)
    assert all(0 <= one.at <= WIDTH for one in chart.x_ticks)


def test_constant_and_single_values_are_drawn_and_none_is_no_chart() -> None:
    constant = draw_line([0, 1], [5.0, 5.0], (0, 1), str, str)
    assert constant is not None
    single = draw_line([1], [0.0], (0, 2), str, str)
    assert single is not None
    assert single.path.endswith("h0.1")
    assert draw_line([0], [math.nan], (0, 1), str, str) is None
    assert spark_path([0], [1.0], (0, 1)) == ""
    assert spark_path([0, 1], [1.0, 1.0], (0, 1)).startswith("M")
