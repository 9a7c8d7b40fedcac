"""Validation of columns against a signature: units, limits, series and optional inputs."""

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


class TestUnitConversion:
    def test_celsius_is_converted_to_kelvin_in_field_datatype(self) -> None:
        heat = check({"heat": "°C"}, heat=np.array([20, 25], np.float32))["heat"]
        assert heat.dtype == np.float32
        assert heat.tolist() == pytest.approx([293.15, 298.15])

    def test_own_unit_changes_no_values(self) -> None:
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
    def test_invalid_unit_is_rejected_with_field(self, name: str, unit: str, words: str) -> None:
        with pytest.raises(InputInvalid, match=words) as caught:
            check({name: unit})
        assert caught.value.param == name

    def test_limits_apply_after_conversion(self) -> None:
        with pytest.raises(InputInvalid, match=r"'heat' in row 1 \(373.15\) is above 350 K"):
            check({"heat": "°C"}, heat=np.array([20, 100], np.float32))

    def test_overflow_after_conversion_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match=r"row 0 \(inf\) is not a finite number"):
            check({"heat": "kK"}, heat=np.array([3e38, 0], np.float32))


class TestSeriesInput:
    def test_error_names_row_and_value_index(self) -> None:
        points = np.array([[1.0, 2.0], [3.0, -4.0]])
        with pytest.raises(
            InputInvalid, match=r"'points' in row 1, value 1 \(-4\) is below 0"
        ) as failed:
            check(points=points)
        assert failed.value.details == {"row": 1, "value": 1}

    @pytest.mark.parametrize("shape", [(2, 1), (2, 5), (2,)])
    def test_series_of_other_length_is_rejected(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputInvalid, match="list of 2 to 4 values"):
            check(points=np.ones(shape))

    def test_single_values_are_series_of_one_step_where_one_is_allowed(self) -> None:
        signature = Signature((InputField("flow", "FP32", length=(1, 4)),), (), "1")
        columns = validate_columns(signature, {"flow": np.array([1.0, 2.0])}, {})
        assert columns["flow"].tolist() == [[1.0], [2.0]]

    def test_series_for_scalar_field_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="one value per row"):
            check(heat=np.full((2, 2), 300.0))


class TestOptionalInput:
    SIGNATURE = Signature(
        (InputField("heat", "FP32"), InputField("note", "BYTES", values=("L",), optional=True)),
        (),
        "1",
    )
    HEAT = np.array([300, 301], np.float32)

    def test_missing_optional_text_becomes_empty_strings(self) -> None:
        given = validate_columns(self.SIGNATURE, {"heat": self.HEAT}, {})
        assert given["note"].tolist() == ["", ""]
        assert given["note"].dtype == object

    def test_present_optional_input_is_validated(self) -> None:
        note = np.array(["L", "H"], object)
        with pytest.raises(InputInvalid, match=r"'note' in row 1 \('H'\) is not one of L"):
            validate_columns(self.SIGNATURE, {"heat": self.HEAT, "note": note}, {})
        with pytest.raises(InputInvalid, match="'note' has 1 rows, but 'heat' has 2"):
            validate_columns(self.SIGNATURE, {"heat": self.HEAT, "note": note[:1]}, {})

    def test_missing_required_or_unknown_input_is_rejected(self) -> None:
        require_names(self.SIGNATURE, ["heat"])
        with pytest.raises(InputInvalid, match="'heat' is missing"):
            require_names(self.SIGNATURE, ["note"])
        with pytest.raises(InputInvalid, match="no input 'notes'"):
            require_names(self.SIGNATURE, ["heat", "notes"])

    def test_request_without_any_column_is_rejected(self) -> None:
        signature = Signature((InputField("note", "BYTES", optional=True),), (), "1")
        with pytest.raises(InputInvalid, match="The request has no rows"):
            validate_columns(signature, {}, {})
