"""Decisions of trained models: thresholds from costs, held-out costs, costs stated in a call."""

import json
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.own_columns import OWN_COLUMNS
from models.series.life.adapt import LifeAdapter
from models.series.life.variant import load
from models.tables.schema import SchemaRequest
from models.tabular.adapt import TabularAdapter
from models.tabular.data import Goal
from serving.errors import InputInvalid
from serving.specialists.fitted import TableSpecialist, load_series_life, load_tabular
from serving.specialists.inference import parse_inference, render_inference, run_batch
from tests.support.models.histories import histories, last_steps
from tests.support.models.tables import csv, machines
from tests.support.nightly import nightly

PAIR = {"false_alarm": 100, "miss": 1900}
CALM = {"temperature [°C]": 80.0, "torque": 40.0, "grade": "A", "noise": 0.0}
HOT = {**CALM, "temperature [°C]": 95.0, "torque": 60.0, "grade": "C"}


@cache
def trained(goal: Goal, costs: str) -> tuple[Adaptation, TableSpecialist, tuple[str, ...]]:
    """A model of rows with costs (as JSON), and the sentences of its training."""
    told: list[str] = []
    target, other = ("failure", "wear") if goal is Goal.CLASS else ("wear", "failure")
    stated = json.loads(costs)
    request = SchemaRequest(target=target, ignored=(other,), costs=stated)
    # Without costs nothing is asked of the model but its outputs.
    table = machines() if stated else machines(4)
    adaptation = TabularAdapter(goal, request, 1)(csv(table), lambda one: told.append(str(one)))
    return adaptation, load_tabular("mine", "1", adaptation.artefact), tuple(told)


def call(model: TableSpecialist, *rows: dict[str, Any], **request: Any) -> dict[str, list[Any]]:
    """The outputs of a call with rows; `request` are further fields of its body."""
    inputs = [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "BYTES" if isinstance(value, str) else "FP32",
            "data": [row[name] for row in rows],
        }
        for name, value in rows[0].items()
    ]
    asked, columns = parse_inference(
        model, json.dumps({"inputs": inputs, **request}).encode(), None
    )
    (results,) = run_batch([(model, columns, len(rows))])
    answer = json.loads(render_inference(model, asked, results).body)
    return {output["name"]: output["data"] for output in answer["outputs"]}


class TestClassifier:
    COSTS = json.dumps({"yes": PAIR})

    def test_threshold_follows_from_the_costs(self) -> None:
        _, model, _ = trained(Goal.CLASS, self.COSTS)
        found = call(model, CALM, HOT)
        assert found["decision"] == ["no_action", "act"]
        assert found["act_on"] == ["yes", "yes"]
        assert found["threshold"] == pytest.approx([0.05, 0.05])
        p_calm, p_hot = (row[1] for row in np.reshape(found["probabilities"], (2, 2)))
        assert found["expected_cost"] == pytest.approx([p_calm * 1900, (1 - p_hot) * 100], rel=1e-4)

    def test_held_out_costs_are_next_to_fixed_rules(self) -> None:
        adaptation, _, told = trained(Goal.CLASS, self.COSTS)
        costs = adaptation.score.decision
        assert costs is not None
        assert costs.thresholds[0] == pytest.approx(0.05)
        assert costs.decisions == 320
        assert costs.at_thresholds < min(costs.always, costs.never)
        assert any("yes from 5.0% probability" in sentence for sentence in told)

    def test_metadata_lists_the_outputs_of_decisions(self) -> None:
        _, model, _ = trained(Goal.CLASS, self.COSTS)
        names = {field.name for field in model.signature.outputs}
        assert {"decision", "act_on", "threshold", "expected_cost"} <= names

    def test_costs_of_a_call_replace_those_of_the_training(self) -> None:
        _, model, _ = trained(Goal.CLASS, self.COSTS)
        dear = {"false_alarm": 1e6, "miss": 1}
        for costs in (dear, {"yes": dear}, json.dumps(dear)):
            found = call(model, HOT, parameters={"costs": costs})
            assert (found["decision"], found["act_on"]) == (["no_action"], ["yes"])

    def test_model_without_costs_decides_only_where_a_call_states_them(self) -> None:
        adaptation, model, _ = trained(Goal.CLASS, "null")
        assert adaptation.score.decision is None
        assert "decision" not in call(model, HOT)
        # Of two classes, the rarer one is acted on.
        assert call(model, HOT, parameters={"costs": PAIR})["act_on"] == ["yes"]
        chosen = call(model, HOT, parameters={"costs": PAIR}, outputs=[{"name": "threshold"}])
        assert list(chosen) == ["threshold"]

    @pytest.mark.parametrize(
        ("costs", "param"),
        [
            ({"maybe": PAIR}, "parameters.costs.maybe"),
            ({"yes": {"false_alarm": 0, "miss": 1}}, "parameters.costs.yes.false_alarm"),
            ("{", "parameters.costs"),
        ],
    )
    def test_invalid_costs_of_a_call_are_rejected_with_their_path(
        self, costs: Any, param: str
    ) -> None:
        _, model, _ = trained(Goal.CLASS, self.COSTS)
        with pytest.raises(InputInvalid) as caught:
            call(model, HOT, parameters={"costs": costs})
        assert caught.value.param == param

    def test_artefact_without_a_decider_is_served_and_rejects_costs(self) -> None:
        adaptation, _, _ = trained(Goal.CLASS, self.COSTS)
        document = msgspec.msgpack.decode(adaptation.artefact)
        del document["decider"]
        old = load_tabular("old", "1", msgspec.msgpack.encode(document))
        assert "decision" not in call(old, HOT)
        with pytest.raises(InputInvalid, match="does not decide by costs"):
            call(old, HOT, parameters={"costs": PAIR})


class TestRegressor:
    COSTS = json.dumps({**PAIR, "limit": 12})

    def test_probability_of_passing_the_limit_decides(self) -> None:
        _, model, _ = trained(Goal.NUMBER, self.COSTS)
        found = call(model, CALM, HOT)
        assert found["decision"] == ["no_action", "act"]
        assert found["limit"] == [12, 12]
        calm, hot = found["limit_probability"]
        assert calm < 0.05 < 0.9 < hot
        assert found["expected_cost"] == pytest.approx([calm * 1900, (1 - hot) * 100], abs=1e-3)

    def test_held_out_costs_beat_the_fixed_rules(self) -> None:
        adaptation, _, _ = trained(Goal.NUMBER, self.COSTS)
        costs = adaptation.score.decision
        assert costs is not None
        assert costs.at_thresholds < min(costs.always, costs.never)
        assert costs.at_thresholds <= costs.at_half

    def test_limit_of_a_call_replaces_that_of_the_training(self) -> None:
        _, model, _ = trained(Goal.NUMBER, self.COSTS)
        high = call(model, HOT, parameters={"costs": {**PAIR, "limit": 1000}})
        below = call(model, HOT, parameters={"costs": {**PAIR, "act_when": "below"}})
        assert (high["decision"], below["limit"]) == (["no_action"], [12])
        assert below["limit_probability"][0] < 0.1

    def test_model_without_a_limit_asks_for_it(self) -> None:
        _, model, _ = trained(Goal.NUMBER, "null")
        with pytest.raises(InputInvalid) as caught:
            call(model, HOT, parameters={"costs": PAIR})
        assert caught.value.param == "parameters.costs.limit"


@cache
def trained_life() -> tuple[Adaptation, TableSpecialist]:
    """A model of remaining life that is asked to act below 10 cycles."""
    request = SchemaRequest(costs={**PAIR, "limit": 10})
    adaptation = LifeAdapter(request, 1)(csv(histories()), lambda _: None)
    return adaptation, load_series_life("mine", "1", adaptation.artefact)


def life_of(rows: dict[str, list[float]]) -> dict[str, Any]:
    """The outputs for one machine."""
    model = trained_life()[1]
    inputs = [
        {"name": name, "shape": [1, len(values)], "datatype": "FP32", "data": values}
        for name, values in rows.items()
    ]
    asked, columns = parse_inference(model, json.dumps({"inputs": inputs}).encode(), None)
    (results,) = run_batch([(model, columns, 1)])
    answer = json.loads(render_inference(model, asked, results).body)
    return {output["name"]: output["data"][0] for output in answer["outputs"]}


def last_rows(steps: int) -> dict[str, list[float]]:
    """30 steps of a machine that was not in training, until so many steps before its failure."""
    last = last_steps(histories(12, seed=8), "M0", 60)
    return {name: values[: len(values) - steps][-30:] for name, values in last.items()}


@nightly
def test_remaining_life_acts_where_the_end_is_near() -> None:
    near, far = (life_of(last_rows(steps)) for steps in (1, 30))
    assert near["decision"] == "act"
    assert near["limit_probability"] > far["limit_probability"]
    decision = trained_life()[0].score.decision
    assert decision is not None
    assert decision.at_thresholds <= decision.never


def test_remaining_life_of_a_machine_unlike_those_of_training_is_less_certain() -> None:
    adaptation, model = trained_life()
    document = load(adaptation.artefact).document
    assert document.decider is not None
    decider = document.decider.with_costs({**PAIR, "limit": 10}, "costs")
    results = {"value": np.array([30.0, 30.0]), "widening": np.array([1.0, 4.0])}
    usual, unlike = decider.decide(results)["limit_probability"]
    assert usual < 0.05 < unlike
    assert "widening" not in life_of(last_rows(1))
    assert model.variant.run(columns_of(last_rows(1)))["widening"][0] >= 1.0


def columns_of(rows: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """Rows as the columns of one machine."""
    return {name: np.array([values], dtype=np.float32) for name, values in rows.items()}


@pytest.mark.parametrize(
    ("adapter", "content", "stated"),
    [
        ("tabular_classifier", csv(machines()), {"target": "failure", "costs": {"x": PAIR}}),
        ("tabular_regressor", csv(machines()), {"target": "wear", "costs": PAIR}),
        ("series_life", csv(histories()), {"cap": 20, "costs": {**PAIR, "limit": 20}}),
        ("series_forecaster", csv(machines()), {"costs": PAIR}),
    ],
)
def test_costs_that_do_not_suit_the_table_are_reported_by_the_check(
    adapter: str, content: bytes, stated: dict[str, Any]
) -> None:
    with pytest.raises(TrainingFileInvalid, match=r"`schema\.costs"):
        OWN_COLUMNS[adapter](content, SchemaRequest(**stated))
