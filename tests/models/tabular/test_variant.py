"""Trained variants: predictions, intervals, reasons, ranges, and broken artefacts."""

from functools import cache

import msgspec
import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.own_artefact import VariantBroken
from models.signature import InputInvalid, validate_columns
from models.tables.schema import SchemaRequest
from models.tabular.adapt import TabularAdapter
from models.tabular.data import Goal
from models.tabular.variant import TabularVariant, load
from tests.support.models.tables import csv, machines
from tests.support.nightly import nightly

CLASSIFIER = TabularAdapter(Goal.CLASS, SchemaRequest(target="failure", ignored=("wear",)), 1)
REGRESSOR = TabularAdapter(Goal.NUMBER, SchemaRequest(target="wear", ignored=("failure",)), 1)


@cache
def trained(goal: Goal) -> tuple[Adaptation, TabularVariant, tuple[str, ...]]:
    told: list[str] = []
    adapter = CLASSIFIER if goal is Goal.CLASS else REGRESSOR
    adaptation = adapter(csv(machines()), lambda sentence: told.append(str(sentence)))
    return adaptation, load(adaptation.artefact), tuple(told)


def rows(**columns: list[object]) -> dict[str, np.ndarray]:
    given = {
        "temperature [°C]": [80.0, 95.0],
        "torque": [40.0, 60.0],
        "grade": ["A", "C"],
        "noise": [0.0, 0.0],
        **columns,
    }
    return {
        name: np.array(values, dtype=object if isinstance(values[0], str) else np.float32)
        for name, values in given.items()
    }


def run(goal: Goal, **columns: list[object]) -> dict[str, np.ndarray]:
    _, variant, _ = trained(goal)
    return dict(variant.run(validate_columns(variant.signature, rows(**columns), {})))


class TestClassifier:
    def test_score_is_next_to_the_baselines(self) -> None:
        adaptation, _, told = trained(Goal.CLASS)
        assert adaptation.score.metric == "macro-F1, by machine"
        assert adaptation.score.adapted > 0.85 > (adaptation.score.base or 0)
        assert any("the model is better than that" in sentence for sentence in told)
        assert any(sentence.startswith("Read 320 rows of 8 machines") for sentence in told)

    def test_class_has_calibrated_probabilities_and_reasons(self) -> None:
        found = run(Goal.CLASS)
        assert found["class"].tolist() == ["no", "yes"]
        assert np.allclose(found["probabilities"].sum(axis=1), 1)
        assert found["probability"].tolist() == found["probabilities"].max(axis=1).tolist()
        names = {name for reason in found["reasons"][1] for name in reason.split(" × ")}
        assert names <= {"temperature [°C]", "torque", "grade", "noise"}
        assert "noise" not in found["reasons"][1][:2]
        assert found["contributions"][1][0] > 0

    @nightly
    def test_class_of_many_digits_is_answered_as_it_is_written(self) -> None:
        columns = machines(6, 20)
        columns["failure"] = [4711001 + (value == "yes") for value in columns["failure"]]
        adaptation = CLASSIFIER(csv(columns), lambda sentence: None)
        variant = load(adaptation.artefact)
        found = variant.run(validate_columns(variant.signature, rows(), {}))
        assert found["class"].tolist() == ["4711001", "4711002"]
        assert adaptation.score.metric == "macro-F1, by machine"

    def test_inputs_outside_the_trained_range_are_named(self) -> None:
        found = run(Goal.CLASS, torque=[40.0, 400.0], grade=["A", "X"])
        assert found["outside"].tolist() == ["", "torque; grade"]

    def test_missing_input_is_not_outside(self) -> None:
        _, variant, _ = trained(Goal.CLASS)
        columns = rows()
        del columns["torque"]
        del columns["grade"]
        found = variant.run(validate_columns(variant.signature, columns, {}))
        assert found["outside"].tolist() == ["", ""]

    def test_missing_values_of_one_row_count_like_columns_left_out(self) -> None:
        _, variant, _ = trained(Goal.CLASS)
        given = rows(torque=[40.0, np.nan], grade=["A", ""])
        found = variant.run(validate_columns(variant.signature, given, {}))
        left_out = rows()
        del left_out["torque"]
        del left_out["grade"]
        expected = variant.run(validate_columns(variant.signature, left_out, {}))
        for name in ("class", "probability", "reasons", "contributions", "outside"):
            assert np.array_equal(found[name][1], expected[name][1])
        assert found["probability"][0] == run(Goal.CLASS)["probability"][0]

    def test_missing_number_is_counted_as_missing(self) -> None:
        _, variant, _ = trained(Goal.CLASS)
        reference = variant.document.reference
        assert reference is not None
        columns = validate_columns(variant.signature, rows(torque=[np.nan, 40.0]), {})
        counts = variant.count_inputs(columns, variant.run(columns))
        assert counts is not None
        names = [variable.name for variable in reference.variables]
        of_torque = reference.split(counts.tolist())[names.index("torque")]
        assert (of_torque[-1], sum(of_torque)) == (1, 2)

    def test_row_without_any_value_is_rejected(self) -> None:
        _, variant, _ = trained(Goal.CLASS)
        none = [1.0, np.nan]
        given = rows(torque=none, noise=none, grade=["A", ""], **{"temperature [°C]": none})
        columns = validate_columns(variant.signature, given, {})
        with pytest.raises(InputInvalid, match="Row 1 has no value in any input") as failed:
            variant.check(columns)
        assert failed.value.param == "inputs"
        variant.check({name: column[:1] for name, column in columns.items()})

    def test_units_are_converted(self) -> None:
        _, variant, _ = trained(Goal.CLASS)
        kelvin = rows(**{"temperature [°C]": [353.15, 368.15]})
        columns = validate_columns(variant.signature, kelvin, {"temperature [°C]": "K"})
        assert variant.run(columns)["class"].tolist() == run(Goal.CLASS)["class"].tolist()


class TestRegressor:
    def test_value_lies_in_its_interval(self) -> None:
        found = run(Goal.NUMBER)
        assert np.all(found["lower"] < found["value"])
        assert np.all(found["value"] < found["upper"])
        assert found["value"][1] > found["value"][0] + 4

    def test_interval_grows_with_the_level(self) -> None:
        narrow, wide = run(Goal.NUMBER, level=[0.5, 0.5]), run(Goal.NUMBER, level=[0.99, 0.99])
        assert np.all(wide["upper"] - wide["lower"] > narrow["upper"] - narrow["lower"])

    def test_contributions_are_in_the_targets_unit(self) -> None:
        _, variant, _ = trained(Goal.NUMBER)
        outputs = {field.name: field for field in variant.signature.outputs}
        assert outputs["value"].unit == outputs["contributions"].unit


class TestLeaksAndInvalidFiles:
    @nightly
    def test_column_that_reveals_the_target_is_named_in_the_progress(self) -> None:
        columns = machines(6, 20)
        columns["code"] = [f"R{value}" for value in columns["failure"]]
        told: list[str] = []
        CLASSIFIER(csv(columns), lambda sentence: told.append(str(sentence)))
        assert any("'code' alone predicts" in sentence for sentence in told)

    def test_reserved_name_is_rejected(self) -> None:
        columns = machines(6, 20)
        columns["level"] = columns.pop("torque")
        with pytest.raises(TrainingFileInvalid, match="'level'"):
            REGRESSOR(csv(columns), lambda sentence: None)


class TestBrokenArtefacts:
    def test_bytes_that_are_no_variant_are_rejected(self) -> None:
        for artefact in (b"", b"{}", b"\xff\xfe", msgspec.msgpack.encode({"version": 1})):
            with pytest.raises(VariantBroken):
                load(artefact)

    def test_other_version_is_rejected(self) -> None:
        adaptation, _, _ = trained(Goal.NUMBER)
        document = msgspec.msgpack.decode(adaptation.artefact)
        for changes in ({"version": 2}, {"trees": b"no graph"}):
            with pytest.raises(VariantBroken):
                load(msgspec.msgpack.encode({**document, **changes}))
