"""Remaining life of made-up machines: error, intervals, reasons, ranges, and invalid calls."""

from functools import cache

import msgspec
import numpy as np
import pytest

from models.adaptation import Adaptation
from models.evaluation.statistics import Verdict
from models.own_artefact import VariantBroken
from models.ready_made.values import ReadyMade
from models.series.life.adapt import LifeAdapter
from models.series.life.intervals import calibrate_life_intervals
from models.series.life.variant import LifeVariant, load
from models.signature import (
    Columns,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    validate_columns,
)
from models.tables.schema import SchemaRequest
from models.tabular.intervals import LEVELS
from tests.support.models.histories import histories, last_steps
from tests.support.models.tables import csv
from tests.support.nightly import nightly

OTHERS = histories(12, seed=8)


class Gauge:
    """A ready-made model: 20 cycles are left, less as many as the vibration has mm/s above 2."""

    signature = Signature(
        (InputField("shake", "FP32", unit="mm/s", length=(1, 500)),),
        (OutputField("remaining_life", "FP32"),),
        "1",
    )

    def predict(self, columns: Columns) -> Columns:
        return {"remaining_life": 22 - columns["shake"][:, -1]}


READY_MADE = ReadyMade(model="gauge", columns={"shake": "vibration [mm/s]"})


@cache
def trained(**stated: object) -> tuple[Adaptation, LifeVariant, tuple[str, ...]]:
    told: list[str] = []
    request = SchemaRequest(ready_made=READY_MADE, **stated)  # type: ignore[arg-type]
    adapter = LifeAdapter(request, 1, Gauge)
    adaptation = adapter(csv(histories()), lambda one: told.append(str(one)))
    return adaptation, load(adaptation.artefact), tuple(told)


def call(inputs: dict[str, list[float]], level: float = 0.9) -> Columns:
    _, variant, _ = trained()
    given = {name: np.array([values], dtype=np.float32) for name, values in inputs.items()}
    given["level"] = np.array([level], dtype=np.float32)
    columns = validate_columns(variant.signature, given, {})
    variant.check(columns)
    return variant.run(columns)


def before_failure(steps: int, machine: str = "M0") -> dict[str, list[float]]:
    """The last 30 steps, so many steps before the machine failed."""
    return {
        name: values[: len(values) - steps]
        for name, values in last_steps(OTHERS, machine, 30 + steps).items()
    }


class TestTraining:
    @nightly
    def test_score_is_next_to_that_of_the_mean(self) -> None:
        adaptation, _, told = trained()
        assert adaptation.score.metric == "RMSE, by machine"
        assert adaptation.score.adapted < 0.5 * (adaptation.score.base or 0)
        assert adaptation.examples == 6
        assert any("the model is better than that" in sentence for sentence in told)
        assert any("Lives above" in sentence for sentence in told)

    def test_ready_made_model_is_scored_on_the_same_held_out_histories(self) -> None:
        adaptation, _, told = trained()
        found = adaptation.score.ready_made
        assert found is not None
        assert (found.model, found.output) == ("gauge", "remaining_life")
        assert found.rows > 100
        assert found.trained == pytest.approx(adaptation.score.adapted, rel=0.3)
        assert found.trained_is is Verdict.BETTER
        assert any("the ready-made model 'gauge' has RMSE" in one for one in told)

    def test_improvement_is_the_interval_of_the_difference(self) -> None:
        score = trained()[0].score
        assert score.improvement is not None
        low, high = score.improvement
        assert 0 < low < (score.base or 0) - score.adapted < high

    def test_stated_cap_is_the_highest_life(self) -> None:
        _, variant, _ = trained(cap=25)
        assert variant.document.cap == 25

    def test_few_machines_are_judged_by_the_index_alone(self) -> None:
        document = trained()[1].document
        assert not document.with_columns
        assert document.trajectory is not None

    @nightly
    def test_same_file_gives_the_same_model(self) -> None:
        again = LifeAdapter(SchemaRequest(), 1)(csv(histories()), lambda one: None)
        assert again.artefact == trained()[0].artefact

    @nightly
    def test_copy_of_the_life_is_named_as_a_leak(self) -> None:
        columns = histories(with_life=True)
        columns["copy"] = [float(str(value)) * 2 for value in columns["RUL"]]
        told: list[str] = []
        LifeAdapter(SchemaRequest(), 1)(csv(columns), lambda one: told.append(str(one)))
        assert any("'copy' alone predicts" in sentence for sentence in told)

    def test_machine_that_still_runs_adds_its_early_steps(self) -> None:
        request = SchemaRequest(cap=30, censored=("M5",))
        adaptation = LifeAdapter(request, 1)(csv(histories()), lambda one: None)
        assert (adaptation.examples, adaptation.held_out) == (6, 5)


class TestCalls:
    def test_life_of_unseen_machines_is_told(self) -> None:
        found = [
            (float(call(before_failure(left, f"M{number}"))["value"][0]), left)
            for number in range(12)
            for left in (0, 10, 20)
        ]
        errors = [value - left for value, left in found]
        assert np.sqrt(np.mean(np.square(errors))) < 6

    def test_interval_contains_most_lives_and_grows_with_the_level(self) -> None:
        inside = []
        for number in range(12):
            found = call(before_failure(8, f"M{number}"))
            inside.append(found["lower"][0] <= 8 <= found["upper"][0])
        assert np.mean(inside) >= 0.75
        narrow, wide = (call(before_failure(8), level) for level in (0.5, 0.99))
        assert wide["upper"] - wide["lower"] > narrow["upper"] - narrow["lower"]

    def test_upper_bound_of_a_new_machine_is_the_longest_life(self) -> None:
        _, variant, _ = trained()
        found = call(before_failure(40))
        assert found["upper"][0] == variant.document.longest > variant.document.cap

    def test_worn_columns_are_the_reasons(self) -> None:
        found = call(before_failure(0))
        assert found["reasons"].shape == (1, 3)
        assert found["reasons"][0][2] == "hum"
        assert found["contributions"][0][0] < 0

    def test_contributions_add_up_to_the_value(self) -> None:
        base = trained()[1].document.base[0]
        found = call(before_failure(15))
        assert found["value"][0] == pytest.approx(base + found["contributions"][0].sum(), abs=1e-3)

    def test_artefact_of_an_earlier_release_predicts_by_trees_alone(self) -> None:
        adaptation, variant, _ = trained()
        document = msgspec.msgpack.decode(adaptation.artefact)
        del document["trajectory"]
        inputs = {
            name: np.array([values], dtype=np.float32)
            for name, values in before_failure(15).items()
        }
        columns = validate_columns(variant.signature, inputs, {})
        found = load(msgspec.msgpack.encode(document)).run(columns)
        assert 0 < found["value"][0] < variant.document.cap
        assert found["value"][0] != variant.run(columns)["value"][0]

    def test_values_beyond_the_trained_range_are_named(self) -> None:
        inputs = before_failure(5)
        assert call(inputs)["outside"].tolist() == [""]
        assert call({**inputs, "pressure": [99.0] * 30})["outside"].tolist() == ["pressure"]

    def test_only_the_last_steps_count(self) -> None:
        span = trained()[1].document.recipe.span
        inputs = {name: [values[0]] * span + values for name, values in before_failure(5).items()}
        last = {name: values[-span:] for name, values in inputs.items()}
        assert call(inputs)["value"] == call(last)["value"]

    def test_missing_values_and_columns_are_allowed(self) -> None:
        inputs = before_failure(3)
        inputs["hum"][4] = np.nan
        del inputs["pressure"]
        assert 0 <= call(inputs)["value"][0] < 20

    def test_times_in_order_change_nothing(self) -> None:
        inputs = before_failure(3)
        assert call({**inputs, "cycle": list(range(30))})["value"] == call(inputs)["value"]


class TestInvalidCalls:
    @pytest.mark.parametrize(
        ("changes", "param", "reason"),
        [
            ({"cycle": [*range(29), 3]}, "cycle", "value 29 is earlier"),
            ({"site": [1.0] * 30}, "site", "no input 'site'"),
            ({"hum": [1.0] * 20}, "hum", "20 values in each row"),
            ({"hum": [np.inf] * 30}, "hum", "not a finite number"),
        ],
    )
    def test_error_names_the_column(
        self, changes: dict[str, list[float]], param: str, reason: str
    ) -> None:
        with pytest.raises(InputInvalid, match=reason) as caught:
            call({**before_failure(3), **changes})
        assert caught.value.param == param

    def test_fewer_steps_than_the_windows_are_rejected(self) -> None:
        short = {name: values[-3:] for name, values in before_failure(0).items()}
        with pytest.raises(InputInvalid, match="a list of 8 to 10000 values per row"):
            call(short)

    def test_series_without_any_value_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="has no value"):
            call({name: [np.nan] * 30 for name in before_failure(0)})


class TestIntervals:
    def test_machine_counts_as_one_however_many_rows_it_has(self) -> None:
        machines = np.repeat([0, 1, 2, 3, 4], [400, 20, 20, 20, 20])
        errors = np.where(machines == 0, 1.0, 10.0)
        table = calibrate_life_intervals(np.zeros(len(machines)), errors, machines)
        assert table.half_width(np.zeros(1), np.array([0.5]))[0] == pytest.approx(10)

    def test_wider_levels_have_wider_intervals(self) -> None:
        generator = np.random.default_rng(2)
        errors = generator.normal(0, 1, 400)
        table = calibrate_life_intervals(np.zeros(400), errors, np.arange(400) % 5)
        widths = table.half_width(np.zeros(len(LEVELS)), np.array(LEVELS))
        assert np.all(np.diff(widths) > 0)

    def test_bin_of_few_machines_is_not_trusted_alone(self) -> None:
        predicted = np.repeat([1.0, 2.0, 3.0], 200)
        machines = np.tile(np.arange(5), 120)
        errors = np.where(predicted == 3.0, 1.0, 9.0)
        of_few = calibrate_life_intervals(predicted, errors, machines)
        of_many = calibrate_life_intervals(predicted, errors, np.tile(np.arange(100), 6))
        level = np.array([0.9])
        assert of_few.half_width(np.array([3.0]), level)[0] == pytest.approx(4.0)
        assert of_many.half_width(np.array([3.0]), level)[0] < 2.2


class TestUnlikeMachines:
    def test_interval_of_a_machine_unlike_all_others_is_wider(self) -> None:
        near = before_failure(15)
        far = {name: [value + 20.0 for value in values] for name, values in near.items()}
        widths = [float(found["upper"][0] - found["lower"][0]) for found in (call(near), call(far))]
        assert trained()[1].document.distance is not None
        assert widths[1] > 1.5 * widths[0] or widths[1] >= trained()[1].document.longest

    def test_artefact_of_an_earlier_release_keeps_its_widths(self) -> None:
        adaptation, variant, _ = trained()
        document = msgspec.msgpack.decode(adaptation.artefact)
        del document["distance"]
        inputs = {
            name: np.array([values], dtype=np.float32)
            for name, values in before_failure(15).items()
        }
        columns = validate_columns(variant.signature, inputs, {})
        found, before = variant.run(columns), load(msgspec.msgpack.encode(document)).run(columns)
        assert before["value"] == found["value"]
        assert before["lower"] >= found["lower"]


def test_broken_artefacts_are_rejected() -> None:
    document = msgspec.msgpack.decode(trained()[0].artefact)
    changed = [{**document, **change} for change in ({"version": 9}, {"trees": b"no graph"})]
    for artefact in (b"", b"{}", *map(msgspec.msgpack.encode, changed)):
        with pytest.raises(VariantBroken):
            load(artefact)
