"""Pairs of columns: their features, which of them are chosen, and their names in reasons."""

from functools import cache

import msgspec
import numpy as np
import pytest

from models.signature import validate_columns
from models.tables.schema import SchemaRequest
from models.tabular.adapt import TabularAdapter
from models.tabular.boosting import TrainingSet
from models.tabular.data import Goal, TabularData
from models.tabular.encoding import NumberEncoding, RowEncoding, column_values, fit_encoding
from models.tabular.pair_screening import MAX_PAIRS, screen_pairs
from models.tabular.pairs import Operation, PairEncoding
from models.tabular.variant import TabularVariant, load
from tests.support.models.tables import csv, data_of
from tests.support.nightly import nightly

POWER_LIMIT = 60_000.0


def spindles(rows: int = 400) -> dict[str, list[object]]:
    """Rows that fail by power, the product of torque and speed, or by a difference of 3 K."""
    generator = np.random.default_rng(5)
    torque, speed = generator.uniform(20, 60, rows), generator.uniform(1000, 2000, rows)
    inlet = generator.uniform(20, 40, rows)
    outlet = inlet + generator.uniform(2.5, 8, rows)
    fails = (torque.round(1) * speed.round() > POWER_LIMIT) | (outlet - inlet < 3)
    return {
        "torque [Nm]": list(torque.round(1)),
        "speed [1/min]": list(speed.round()),
        "inlet [°C]": list(inlet.round(2)),
        "outlet [°C]": list(outlet.round(2)),
        "grade": list(generator.choice(["A", "B"], rows)),
        "failure": ["yes" if fail else "no" for fail in fails],
    }


@cache
def encoded() -> tuple[TabularData, RowEncoding, TrainingSet]:
    data = data_of(spindles(), Goal.CLASS, target="failure")
    encoding = fit_encoding(data.inputs)
    return data, encoding, TrainingSet.of(encoding.encode(column_values(data.inputs)), data.target)


@cache
def trained() -> TabularVariant:
    adapter = TabularAdapter(Goal.CLASS, SchemaRequest(target="failure"), 1)
    return load(adapter(csv(spindles()), lambda sentence: None).artefact)


def number(name: str) -> NumberEncoding:
    return NumberEncoding(name, None, 0.0, 10.0, -11.0)


def encoding_of(*operations: Operation) -> RowEncoding:
    pairs = tuple(PairEncoding(0, 1, operation, 0.5, -99.0) for operation in operations)
    return RowEncoding((number("a"), number("b")), pairs)


class TestFeatures:
    def test_results_are_rounded_to_the_step_and_follow_the_columns(self) -> None:
        encoding = encoding_of(*Operation)
        features = encoding.encode({"a": np.array([3.3]), "b": np.array([2.0])})
        assert features[0].tolist() == pytest.approx([3.3, 2.0, 6.5, 1.5, 1.5], abs=1e-6)
        assert encoding.names == ("a", "b", "a × b", "a ÷ b", "a − b")
        assert encoding.owners == (0, 1, 2, 3, 4)

    @pytest.mark.parametrize(("first", "second"), [(np.nan, 2.0), (-11.0, 2.0), (1.0, 0.0)])
    def test_result_without_a_value_is_missing(self, first: float, second: float) -> None:
        encoding = encoding_of(Operation.QUOTIENT)
        features = encoding.encode({"a": np.array([first]), "b": np.array([second])})
        assert features[0, 2] == -99.0

    def test_batch_has_the_features_of_single_rows(self) -> None:
        _, encoding, training = encoded()
        pairs = screen_pairs(training, encoding, 1)
        with_pairs = msgspec.structs.replace(encoding, pairs=pairs)
        batch = with_pairs.add_pairs(training.features[:50])
        single = [with_pairs.add_pairs(training.features[at : at + 1]) for at in range(50)]
        assert np.array_equal(batch, np.concatenate(single))

    def test_gain_of_a_pair_is_shared_by_its_columns(self) -> None:
        encoding = encoding_of(Operation.PRODUCT)
        assert encoding.column_gains(np.array([1.0, 2.0, 4.0])).tolist() == [3.0, 4.0]


class TestScreening:
    def test_quantities_that_decide_are_chosen(self) -> None:
        _, encoding, training = encoded()
        pairs = screen_pairs(training, encoding, 1)
        names = msgspec.structs.replace(encoding, pairs=pairs).names
        assert len(pairs) <= MAX_PAIRS
        assert "torque [Nm] × speed [1/min]" in names
        assert "inlet [°C] − outlet [°C]" in names

    def test_columns_of_other_units_are_not_subtracted(self) -> None:
        _, encoding, training = encoded()
        pairs = screen_pairs(training, encoding, 1)
        subtracted = {
            (pair.first, pair.second) for pair in pairs if pair.operation is Operation.DIFFERENCE
        }
        assert subtracted <= {(2, 3)}

    def test_divisor_that_changes_its_sign_is_left_out(self) -> None:
        generator = np.random.default_rng(3)
        values = generator.normal(0, 1, (200, 2))
        columns: dict[str, list[object]] = {
            "a": list(values[:, 0].round(3)),
            "b": list(values[:, 1].round(3)),
            "y": list((values[:, 0] * values[:, 1]).round(3)),
        }
        data = data_of(columns, Goal.NUMBER, target="y")
        encoding = fit_encoding(data.inputs)
        singles = encoding.encode(column_values(data.inputs))
        pairs = screen_pairs(TrainingSet.of(singles, data.target), encoding, 1)
        operations = {pair.operation for pair in pairs}
        assert Operation.PRODUCT in operations
        assert Operation.QUOTIENT not in operations

    def test_single_number_column_has_no_pairs(self) -> None:
        columns = spindles(60)
        kept = {name: columns[name] for name in ("torque [Nm]", "grade", "failure")}
        data = data_of(kept, Goal.CLASS, target="failure")
        encoding = fit_encoding(data.inputs)
        singles = encoding.encode(column_values(data.inputs))
        assert screen_pairs(TrainingSet.of(singles, data.target), encoding, 1) == ()


class TestVariant:
    def call(self, **changed: float) -> dict[str, np.ndarray]:
        row = {
            "torque [Nm]": 58.0,
            "speed [1/min]": 1900.0,
            "inlet [°C]": 25.0,
            "outlet [°C]": 31.0,
            **changed,
        }
        columns = {name: np.array([value], dtype=np.float32) for name, value in row.items()}
        columns["grade"] = np.array(["A"], dtype=object)
        variant = trained()
        return dict(variant.run(validate_columns(variant.signature, columns, {})))

    @nightly
    def test_reason_names_the_pair_that_decides(self) -> None:
        found = self.call()
        assert found["class"].tolist() == ["yes"]
        assert found["reasons"][0][0] == "torque [Nm] × speed [1/min]"

    def test_small_difference_decides_at_low_power(self) -> None:
        low = {"torque [Nm]": 25.0, "speed [1/min]": 1100.0}
        assert self.call(**low)["class"].tolist() == ["no"]
        found = self.call(**low, **{"outlet [°C]": 27.6})
        assert found["class"].tolist() == ["yes"]
        assert found["reasons"][0][0] == "inlet [°C] − outlet [°C]"

    def test_only_columns_are_inputs(self) -> None:
        names = [field.name for field in trained().signature.inputs]
        assert names == ["torque [Nm]", "speed [1/min]", "inlet [°C]", "outlet [°C]", "grade"]

    def test_artefact_of_an_earlier_release_has_no_pairs(self) -> None:
        encoding = msgspec.msgpack.decode(msgspec.msgpack.encode(encoding_of()))
        del encoding["pairs"]
        loaded = msgspec.convert(encoding, RowEncoding)
        assert loaded.names == ("a", "b")
        assert loaded.encode({"a": np.array([1.0]), "b": np.array([2.0])}).shape == (1, 2)
