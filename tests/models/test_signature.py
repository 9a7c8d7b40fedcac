"""Columns against a signature: units, limits, series, and what is refused in which words."""

from typing import Any

import numpy as np
import pytest

from models.signature import (
    Columns,
    InputField,
    InputInvalid,
    Signature,
    require_names,
    validate_columns,
)

SIGNATURE = Signature(
    (
        InputField("heat", "FP32", "K", minimum=250.0, maximum=350.0),
        InputField("count", "INT64", "pcs"),
        InputField("grade", "BYTES", values=("L", "H")),
        InputField("points", "FP64", minimum=0.0, length=(2, 4)),
    ),
    (),
    "1",
)


def columns(**changes: Any) -> dict[str, Any]:
    return {
        "heat": np.array([300, 301], np.float32),
        "count": np.array([1, 2]),
        "grade": np.array(["L", "H"], object),
        "points": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        **changes,
    }


def check(units: dict[str, str] | None = None, **changes: Any) -> Columns:
    return validate_columns(SIGNATURE, columns(**changes), units or {})


class TestUnits:
    def test_degrees_become_kelvin_in_the_fields_own_type(self) -> None:
        heat = check({"heat": "°C"}, heat=np.array([20, 25], np.float32))["heat"]
        assert heat.dtype == np.float32
        assert heat.tolist() == pytest.approx([293.15, 298.15])

    def test_the_own_unit_changes_nothing(self) -> None:
        assert check({"heat": "K", "count": "pcs"})["heat"].tolist() == [300, 301]

    @pytest.mark.parametrize(
        ("name", "unit", "words"),
        [
            (
                "heat",
                "bar",
                "'heat' is given in 'bar', which is not a unit of this quantity; "
                "the model expects K",
            ),
            ("heat", "hot", "'heat' is given in 'hot', which is unknown; the model expects K"),
            ("count", "kpcs", "expects whole pcs"),
            ("grade", "m", "expects no unit"),
        ],
    )
    def test_refused(self, name: str, unit: str, words: str) -> None:
        with pytest.raises(InputInvalid, match=words) as caught:
            check({name: unit})
        assert caught.value.param == name

    def test_limits_hold_in_the_models_unit(self) -> None:
        with pytest.raises(InputInvalid, match=r"'heat' in row 1 \(373.15\) is above 350 K"):
            check({"heat": "°C"}, heat=np.array([20, 100], np.float32))

    def test_what_overflows_is_refused_as_that(self) -> None:
        with pytest.raises(InputInvalid, match=r"row 0 \(inf\) is not a finite number"):
            check({"heat": "kK"}, heat=np.array([3e38, 0], np.float32))


class TestSeries:
    def test_names_the_value(self) -> None:
        points = np.array([[1.0, 2.0], [3.0, -4.0]])
        with pytest.raises(InputInvalid, match=r"'points' in row 1, value 1 \(-4\) is below 0"):
            check(points=points)

    @pytest.mark.parametrize("shape", [(2, 1), (2, 5), (2,)])
    def test_of_another_length(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputInvalid, match="list of 2 to 4 values"):
            check(points=np.ones(shape))

    def test_where_one_value_belongs(self) -> None:
        with pytest.raises(InputInvalid, match="one value per row"):
            check(heat=np.full((2, 2), 300.0))


class TestOptional:
    SIGNATURE = Signature(
        (InputField("heat", "FP32"), InputField("note", "BYTES", values=("L",), optional=True)),
        (),
        "1",
    )
    HEAT = np.array([300, 301], np.float32)

    def test_left_out_it_is_an_empty_text_in_each_row(self) -> None:
        given = validate_columns(self.SIGNATURE, {"heat": self.HEAT}, {})
        assert given["note"].tolist() == ["", ""]
        assert given["note"].dtype == object

    def test_given_it_is_held_to_the_signature(self) -> None:
        note = np.array(["L", "H"], object)
        with pytest.raises(InputInvalid, match=r"'note' in row 1 \('H'\) is not one of L"):
            validate_columns(self.SIGNATURE, {"heat": self.HEAT, "note": note}, {})
        with pytest.raises(InputInvalid, match="'note' has 1 rows, but 'heat' has 2"):
            validate_columns(self.SIGNATURE, {"heat": self.HEAT, "note": note[:1]}, {})

    def test_the_others_are_missed(self) -> None:
        require_names(self.SIGNATURE, ["heat"])
        with pytest.raises(InputInvalid, match="'heat' is missing"):
            require_names(self.SIGNATURE, ["note"])
        with pytest.raises(InputInvalid, match="no input 'notes'"):
            require_names(self.SIGNATURE, ["heat", "notes"])

    def test_where_all_are_there_are_no_rows(self) -> None:
        signature = Signature((InputField("note", "BYTES", optional=True),), (), "1")
        with pytest.raises(InputInvalid, match="The request has no rows"):
            validate_columns(signature, {}, {})
