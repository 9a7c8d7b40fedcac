"""Columns of a customer's table as the inputs of a ready-made model."""

import numpy as np
import pytest

from models.ready_made.mapping import choose_output, map_rows
from models.ready_made.proposal import FileColumn, propose_mapping, read_lexicon
from models.ready_made.values import ReadyMade
from models.signature import BYTES, InputField, InputInvalid, OutputField, Signature
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest
from tests.support.models.tables import csv

SIGNATURE = Signature(
    (
        InputField("process_temperature", "FP32", unit="K", minimum=250, maximum=400),
        InputField("rotational_speed", "FP32", unit="rpm", minimum=100, maximum=30_000),
        InputField("torque", "FP32", unit="N·m", minimum=0, maximum=500),
        InputField("type", BYTES, values=("L", "M", "H")),
    ),
    (
        OutputField("probability", "FP32"),
        OutputField("failure", "INT64"),
        OutputField("reasons", BYTES, series=True),
    ),
    "1",
)
LEXICON = read_lexicon()
MAPPING = {"process_temperature": "Temp [°C]", "rotational_speed": "n [1/min]", "torque": "M"}


def mapped(table: dict[str, list[object]], **stated: object) -> object:
    request = ReadyMade(model="cutting", **{"columns": MAPPING, **stated})  # type: ignore[arg-type]
    schema = SchemaRequest(units={"M": "N·cm"} if "M" in table else {})
    return map_rows(read_table(csv(table)), SIGNATURE, request, schema)


def rows(count: int = 40, **columns: list[object]) -> dict[str, list[object]]:
    return {
        "Temp [°C]": [27 + number for number in range(count)],
        "n [1/min]": [1500] * count,
        "M": [4000] * count,
        "type": ["L", "M"] * (count // 2),
        **columns,
    }


class TestProposal:
    def proposal(self, *names: str, bounds: tuple[float, float] = (300.0, 310.0)) -> object:
        columns = [
            FileColumn(name, name in ("type", "Typ"), unit, None if name == "type" else bounds)
            for name, unit in (one.rsplit("|", 1) if "|" in one else (one, None) for one in names)
        ]
        return propose_mapping("cutting", SIGNATURE, columns, LEXICON).columns

    def test_columns_are_found_by_name_abbreviation_and_language(self) -> None:
        assert self.proposal("Process temp", "Drehzahl", "扭矩", "type", bounds=(300.0, 310.0)) == {
            "process_temperature": "Process temp",
            "rotational_speed": "Drehzahl",
            "torque": "扭矩",
            "type": "type",
        }

    def test_column_of_another_quantity_or_range_is_not_proposed(self) -> None:
        assert self.proposal("torque|°C", "rotational speed") == {
            "rotational_speed": "rotational speed"
        }
        assert self.proposal("torque", bounds=(4000.0, 4200.0)) == {}

    def test_column_is_proposed_for_the_more_similar_input_only(self) -> None:
        assert self.proposal("speed") == {"rotational_speed": "speed"}

    def test_model_is_likely_from_half_of_its_inputs(self) -> None:
        two = [FileColumn(name, False, None, None) for name in ("torque", "rotational speed")]
        both = propose_mapping("cutting", SIGNATURE, two, LEXICON)
        assert (both.is_likely, both.missing) == (True, ("process_temperature", "type"))
        assert not propose_mapping("cutting", SIGNATURE, two[:1], LEXICON).is_likely


class TestMapping:
    def test_values_are_converted_to_the_units_of_the_model(self) -> None:
        found = mapped(rows())
        assert len(found.rows) == 40
        assert found.columns["process_temperature"][0] == pytest.approx(300.15)
        assert found.columns["torque"][0] == pytest.approx(40)

    def test_constant_stands_for_an_input_without_a_column(self) -> None:
        table = rows()
        del table["type"]
        assert set(mapped(table, constants={"type": "M"}).columns["type"]) == {"M"}
        with pytest.raises(InputInvalid, match="needs a text"):
            mapped(table, constants={"type": 3.0})
        with pytest.raises(InputInvalid, match="no column for the input 'type'"):
            mapped(table)

    def test_row_that_the_model_rejects_is_left_out(self) -> None:
        table = rows()
        table["M"][3], table["type"][5], table["Temp [°C]"][7] = 90_000, "X", ""
        assert np.setdiff1d(np.arange(40), mapped(table).rows).tolist() == [3, 5, 7]

    def test_wrong_unit_is_reported_instead_of_scoring_a_few_rows(self) -> None:
        table = rows()
        table["n [1/min]"] = [25] * 40
        with pytest.raises(InputInvalid, match=r"only 0 of 40 rows.*below 100 rpm"):
            mapped(table)

    def test_unknown_input_and_model_of_series_are_refused(self) -> None:
        with pytest.raises(InputInvalid, match="no input 'torqe'"):
            mapped(rows(), columns={"torqe": "M"})
        series = Signature((InputField("P", "FP32", length=(10, 20)),), (), "1")
        with pytest.raises(InputInvalid, match="takes series"):
            map_rows(read_table(csv(rows())), series, ReadyMade(model="x"), SchemaRequest())


class TestOutput:
    def test_output_is_the_wanted_one_or_the_namesake_of_the_target(self) -> None:
        assert choose_output(SIGNATURE, "", "Failure", True).name == "failure"
        assert choose_output(SIGNATURE, "", "anything", False).name == "probability"
        assert choose_output(SIGNATURE, "probability", "failure", False).name == "probability"

    @pytest.mark.parametrize(("wanted", "is_class"), [("probability", True), ("reasons", True)])
    def test_output_that_is_no_class_is_refused(self, wanted: str, is_class: bool) -> None:
        with pytest.raises(InputInvalid, match="It has: `failure`"):
            choose_output(SIGNATURE, wanted, "failure", is_class)
