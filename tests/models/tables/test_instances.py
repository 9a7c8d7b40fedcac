"""Tables as instances of a prediction request."""

from collections.abc import Mapping
from typing import Any

import pytest

from models.anomaly.variant import RESERVED as DETECTOR_SETTINGS
from models.forecasting.data import RESERVED_NAMES as FORECAST_SETTINGS
from models.signature import InputInvalid
from models.tables.dates import DayOrder
from models.tables.instances import ModelInput, TableInstances, build_instances
from models.tables.reading import read_table
from models.tables.similar_headers import SETTINGS
from models.tabular.data import RESERVED_NAMES as ROW_SETTINGS

ROWS = (ModelInput("temperature"), ModelInput("grade", is_text=True, is_optional=True))
SERIES = (ModelInput("vibration", steps=(2, 3)),)


def build(text: str, inputs: Any = ROWS, **options: Any) -> TableInstances:
    return build_instances(read_table(text.encode()), inputs, **options)


def values(found: TableInstances, name: str) -> list[Any]:
    return [instance[name] for instance in found.instances]


class TestRows:
    def test_each_row_is_an_instance_with_its_line_in_the_file(self) -> None:
        found = build("temperature,grade,note\n80.5,A,x\n,B,y\n")
        assert found.instances == (
            {"temperature": 80.5, "grade": "A"},
            {"temperature": None, "grade": "B"},
        )
        assert found.labels == ("2", "3")

    def test_codes_keep_their_zeros_and_words_for_no_value_are_empty(self) -> None:
        found = build("temperature,grade\n1,007\n2,012\n")
        assert values(found, "grade") == ["007", "012"]
        found = build("temperature,grade\n80.5,A\n81,N/A\n82,-\n")
        assert values(found, "grade") == ["A", "", ""]

    def test_optional_column_may_be_absent(self) -> None:
        assert build("temperature\n1\n").instances == ({"temperature": 1.0},)

    @pytest.mark.parametrize(
        ("header", "units"),
        [
            ("Temperature [°C]", {}),
            ("temperature ", {}),
            ("ＴＥＭＰＥＲＡＴＵＲＥ［℃］", {}),
            ("temperature (°C)", {}),
            ("Temperature [K]", {"temperature [°C]": "K"}),
        ],
    )
    def test_header_in_another_case_width_or_unit_is_the_models_input(
        self, header: str, units: Mapping[str, str]
    ) -> None:
        inputs = (ModelInput("temperature [°C]", is_optional=True, unit="°C"),)
        found = build(f"{header},note\n80.5,x\n81,y\n", inputs)
        assert values(found, "temperature [°C]") == [80.5, 81.0]
        assert found.units == units

    def test_header_that_may_mean_two_inputs_or_is_another_column_is_left_alone(self) -> None:
        inputs = tuple(ModelInput(name, is_optional=True) for name in ("Speed", "load"))
        assert build("SPEED,speed,load\n1,2,3\n", inputs).instances == ({"load": 3.0},)
        assert build("Speed,speed,load\n1,2,3\n", inputs).instances == (
            {"Speed": 1.0, "load": 3.0},
        )

    @pytest.mark.parametrize("header", ["temprature", "Temperatur [K]", "TEMPERATRUE"])
    def test_unused_header_that_is_nearly_a_missing_input_is_noted(self, header: str) -> None:
        inputs = (ModelInput("torque"), ModelInput("temperature", is_optional=True))
        assert build(f"torque,{header},grade\n1,80,A\n2,81,B\n", inputs).notes == (
            f"The table has no column 'temperature', and its column '{header}' is not used: if "
            "they are the same, rename it.",
        )

    @pytest.mark.parametrize(
        ("name", "header"),
        [
            ("temperature", "note"),
            ("sensor_11", "sensor_12"),
            ("level", "levels"),
            ("air_temperature", "oil_temperature"),
        ],
    )
    def test_missing_input_without_a_nearly_equal_header_is_not_noted(
        self, name: str, header: str
    ) -> None:
        inputs = (ModelInput("torque"), ModelInput(name, is_optional=True))
        assert build(f"torque,{header}\n1,80\n2,81\n", inputs).notes == ()

    def test_columns_of_machines_and_inputs_are_not_taken_for_missing_inputs(self) -> None:
        inputs = (*SERIES, ModelInput("vibrations", is_optional=True), ModelInput("lines"))
        table = "line,vibration\na,1\na,2\n"
        assert build(table, inputs, machine="line", constants={"lines": 1.0}).notes == ()

    def test_names_that_trained_models_reserve_are_settings(self) -> None:
        assert {*ROW_SETTINGS, *FORECAST_SETTINGS, *DETECTOR_SETTINGS} == SETTINGS

    def test_decimal_commas_are_read(self) -> None:
        found = build("temperature;grade\n80,5;A\n81,25;A\n")
        assert values(found, "temperature") == [80.5, 81.25]

    def test_decimal_commas_before_three_digits_are_read_as_in_training(self) -> None:
        found = build("temperature;grade\n80,512;A\n81,250;A\n")
        assert values(found, "temperature") == [80.512, 81.25]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("grade,other\nA,1\nB,2\n", "no column 'temperature'"),
            ("temperature,grade\n1,A\nhot,A\n3,B\n4,B\n", "Line 3: 'hot'"),
        ],
    )
    def test_table_that_does_not_fit_is_rejected(self, text: str, message: str) -> None:
        with pytest.raises(InputInvalid, match=message):
            build(text)

    @pytest.mark.parametrize(
        ("header", "units"),
        [
            ("temperature [degF]", {"temperature [degF]": "degF"}),
            ("temperature [°C]", {}),
        ],
    )
    def test_unit_of_the_file_is_stated_if_it_is_another(
        self, header: str, units: Mapping[str, str]
    ) -> None:
        found = build(f"{header}\n80\n", (ModelInput(header, unit="°C"),))
        assert found.units == units

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("p [bar]", "p [bar]\n5\n500 kPa\n"),
            ("p", "p\n5\n500 kPa\n"),
            ("p", "p,q\nbar,\n5,1\n500 kPa,1\n"),
        ],
    )
    def test_cells_with_another_unit_are_converted_to_that_of_the_others(
        self, name: str, text: str
    ) -> None:
        found = build(text, (ModelInput(name, unit="bar"),))
        assert (values(found, name), found.units) == ([5, 5], {})


class TestSeries:
    def test_last_steps_of_each_machine_are_one_instance(self) -> None:
        text = "machine,vibration\na,1\nb,5\na,2\nb,6\na,3\nb,7\na,4\nb,8\n"
        found = build(text, SERIES, machine="machine")
        assert found.labels == ("a", "b")
        assert values(found, "vibration") == [[2.0, 3.0, 4.0], [6.0, 7.0, 8.0]]

    def test_table_without_machines_is_one_series(self) -> None:
        found = build("vibration\n1\n2\n", SERIES)
        assert (found.labels, values(found, "vibration")) == (("",), [[1.0, 2.0]])

    def test_rows_are_in_the_order_of_time(self) -> None:
        inputs = (*SERIES, ModelInput("time", is_text=True, steps=(2, 3)))
        text = "time,vibration\n2026-03-02,2\n2026-03-01,1\n2026-03-03,3\n"
        found = build(text, inputs)
        assert values(found, "vibration") == [[1.0, 2.0, 3.0]]
        assert values(found, "time") == [["2026-03-01", "2026-03-02", "2026-03-03"]]

    @pytest.mark.parametrize(
        ("order", "readings"),
        [(DayOrder.MONTH_FIRST, [1.0, 2.0, 3.0]), (DayOrder.DAY_FIRST, [3.0, 2.0, 1.0])],
    )
    def test_rows_are_in_the_order_of_day_and_month_of_the_training_file(
        self, order: DayOrder, readings: list[float]
    ) -> None:
        time = ModelInput("time", is_text=True, steps=(2, 3), day_order=order)
        text = "time,vibration\n03/04/2026,2\n02/05/2026,1\n04/01/2026,3\n"
        assert values(build(text, (*SERIES, time)), "vibration") == [readings]

    def test_each_machine_gets_as_many_of_its_steps_as_the_model_uses(self) -> None:
        found = build("m,vibration\na,1\na,2\na,3\na,4\nb,5\nb,6\n", SERIES, machine="m")
        assert values(found, "vibration") == [[2.0, 3.0, 4.0], [5.0, 6.0]]
        assert found.too_short == ()

    def test_too_short_machine_is_named(self) -> None:
        with pytest.raises(InputInvalid, match=r"The machine 'b' has 1 rows; .* last 2"):
            build("m,vibration\na,1\na,2\nb,3\n", SERIES, machine="m")

    def test_too_short_machine_is_named_beside_the_instances_of_the_others(self) -> None:
        text = "m,vibration\na,1\nb,2\nb,3\nc,4\n"
        found = build(text, SERIES, machine="m", skip_short=True)
        assert (found.labels, found.positions) == (("b",), (2,))
        assert [one.label for one in found.too_short] == ["a", "c"]
        assert (
            found.too_short[0].reason == "The machine 'a' has 1 rows; the model needs the last 2."
        )

    def test_table_of_too_short_machines_only_is_rejected_with_their_number_and_names(self) -> None:
        inputs = (ModelInput("vibration", steps=(3, 9)),)
        with pytest.raises(InputInvalid) as failed:
            build("m,vibration\na,1\na,2\nb,3\n", inputs, machine="m", skip_short=True)
        assert failed.value.message == (
            "2 of 2 machines have too few rows; the model needs the last 3. The shortest: "
            "'b' (1), 'a' (2)."
        )

    def test_error_of_many_too_short_machines_names_ten(self) -> None:
        table = "m,vibration\nlong,1\nlong,2\n" + "".join(f"m{one},1\n" for one in range(12))
        with pytest.raises(InputInvalid) as failed:
            build(table, SERIES, machine="m")
        assert failed.value.message.startswith("12 of 13 machines have too few rows;")
        assert failed.value.message.endswith("'m8' (1), 'm9' (1).")

    def test_unknown_machine_column_is_named(self) -> None:
        with pytest.raises(InputInvalid, match="no column 'pump'"):
            build("vibration\n1\n2\n", SERIES, machine="pump")

    def test_constant_is_in_every_instance(self) -> None:
        inputs = (*SERIES, ModelInput("horizon"))
        found = build("vibration\n1\n2\n", inputs, constants={"horizon": 24.0})
        assert found.instances[0]["horizon"] == 24.0
