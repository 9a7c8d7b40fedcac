"""Classes of made-up runs: score, windows, probabilities, reasons, invalid calls."""

from functools import cache

import msgspec
import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.evaluation.statistics import Verdict
from models.own_artefact import VariantBroken
from models.ready_made.values import ReadyMade
from models.series.class_adapt import ClassAdapter
from models.series.class_data import ClassData, build_classes, cut_windows
from models.series.class_fitting import choose_window
from models.series.class_models import fit_linear, fit_trees
from models.series.class_variant import ClassVariant, load
from models.signature import (
    Columns,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    validate_columns,
)
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from models.tabular.tree_session import open_trees, run_trees
from tests.support.models.courses import CLASSES, course, courses
from tests.support.models.tables import csv

SCHEMA = SchemaRequest(target="state", machine="run", time="step")
READY_MADE = ReadyMade(model="slope", columns={"level": "y"}, labels={"1": "worn", "0": "ok"})
TRAINED = msgspec.structs.replace(SCHEMA, window=40, ready_made=READY_MADE)
OTHERS = courses(18, seed=9)


class Slope:
    """A ready-made model: 1 if the second half of a series is higher than the first by 1."""

    signature = Signature(
        (InputField("level", "FP32", length=(10, 100)),), (OutputField("rises", "INT64"),), "1"
    )

    def predict(self, columns: Columns) -> Columns:
        halves = np.split(columns["level"], 2, axis=1)
        return {"rises": (halves[1].mean(axis=1) - halves[0].mean(axis=1) > 1).astype(np.int64)}


def data_of(table: dict[str, list[object]], **stated: object) -> ClassData:
    request = msgspec.structs.replace(SCHEMA, **stated)
    return build_classes(infer_schema(read_table(csv(table)), request), request)


@cache
def trained() -> tuple[Adaptation, ClassVariant, tuple[str, ...]]:
    told: list[str] = []
    adapter = ClassAdapter(TRAINED, 1, Slope)
    adaptation = adapter(csv(courses()), lambda one: told.append(str(one)))
    return adaptation, load(adaptation.artefact), tuple(told)


def call(*runs: dict[str, list[float]]) -> Columns:
    _, variant, _ = trained()
    given = {name: np.array([run[name] for run in runs], dtype=np.float32) for name in runs[0]}
    columns = validate_columns(variant.signature, given, {})
    variant.check(columns)
    return variant.run(columns)


class TestTraining:
    def test_score_is_that_of_runs_left_out(self) -> None:
        adaptation, _, told = trained()
        assert adaptation.score.metric == "macro-F1, by machine"
        assert adaptation.score.adapted > 0.9 > 0.4 > (adaptation.score.base or 0)
        assert any("the model is better than that" in sentence for sentence in told)
        assert any(one.startswith("The class is told by 40 steps") for one in told), told

    def test_ready_made_model_is_scored_on_the_same_held_out_windows(self) -> None:
        adaptation, _, told = trained()
        found = adaptation.score.ready_made
        assert found is not None
        assert (found.rows, found.trained) == (36, adaptation.score.adapted)
        # It cannot tell `loose` from `ok`, and never says `loose`.
        assert 0.4 < found.score < 0.7
        assert found.trained_is is Verdict.BETTER
        assert any("the trained model is better" in one for one in told)

    def test_improvement_is_the_interval_of_the_difference(self) -> None:
        score = trained()[0].score
        assert score.improvement is not None
        low, high = score.improvement
        assert 0 < low < score.adapted - (score.base or 0) < high

    def test_same_file_gives_the_same_model(self) -> None:
        again = ClassAdapter(TRAINED, 1)(csv(courses()), lambda one: None)
        assert again.artefact == trained()[0].artefact

    @pytest.mark.parametrize("kind", ["linear", "trees"])
    def test_exported_graph_scores_as_the_model(self, kind: str) -> None:
        generator = np.random.default_rng(1)
        features = generator.normal(0, 1, (60, 4)).astype(np.float32)
        classes = (features[:, 0] > 0).astype(np.intp) + (features[:, 1] > 1)
        if kind == "linear":
            graph = (model := fit_linear(features, classes, 3, 1.0)).graph()
        else:
            graph = (model := fit_trees(features, classes, 3, 1)).graph()
        found = run_trees(open_trees(graph.model), features, 3).sum(axis=2) + graph.base
        assert np.allclose(found, model.scores(features), atol=1e-3)
        assert np.mean(found.argmax(axis=1) == classes) > 0.8


class TestWindows:
    @pytest.mark.parametrize(("is_whole", "steps"), [(True, 40), (False, 16)])
    def test_longest_window_is_chosen_for_whole_series_else_the_shortest(
        self, is_whole: bool, steps: int
    ) -> None:
        table = courses()
        if not is_whole:
            table["state"] = ["ok" if int(str(at)) < 20 else "worn" for at in table["step"]]
        for name, marked in (("x", "loose"), ("y", "worn")):
            table[name] = [
                10.0 * (state == marked) + float(str(value))
                for state, value in zip(table["state"], table[name], strict=True)
            ]
        data = data_of(table)
        assert data.is_whole is is_whole
        assert choose_window(data) == steps

    def test_window_has_the_class_at_its_end(self) -> None:
        table = courses(3, 60)
        table["state"] = (["ok"] * 30 + ["worn"] * 30) * 3
        data = data_of(table, window=10)
        windows = cut_windows(data, 10)
        assert windows.ends[windows.series == 0].tolist() == list(range(10, 61, 5))
        late = windows.ends > 30
        assert windows.target.indices.tolist() == late.astype(int).tolist()
        assert not data.is_whole

    def test_steps_without_a_class_are_no_ends(self) -> None:
        table = courses(36, 20)
        table["state"] = [
            "" if step == 19 else state
            for step, state in zip(table["step"], table["state"], strict=True)
        ]
        windows = cut_windows(data_of(table, window=10), 10)
        assert 20 not in windows.ends

    @pytest.mark.parametrize(
        ("count", "stated", "code"),
        [
            (9, {"window": 40}, "too_few_series"),
            (24, {"window": 90}, "too_few_series"),
            (24, {"target": "x"}, "too_many_classes"),
        ],
    )
    def test_series_that_cannot_be_learned_are_rejected(
        self, count: int, stated: dict[str, object], code: str
    ) -> None:
        with pytest.raises(TrainingFileInvalid) as caught:
            data_of(courses(count), **stated)
        assert code in {problem.code for problem in caught.value.problems.shown}


class TestCalls:
    def test_classes_of_unseen_runs_are_told_with_probabilities(self) -> None:
        found = call(*(course(OTHERS, f"R{number}") for number in range(18)))
        truth = [CLASSES[number % 3] for number in range(18)]
        assert np.mean(found["class"] == np.array(truth, dtype=object)) > 0.85
        assert np.allclose(found["probabilities"].sum(axis=1), 1, atol=1e-5)
        assert found["probability"].tolist() == found["probabilities"].max(axis=1).tolist()

    def test_column_that_tells_the_class_is_the_reason(self) -> None:
        found = call(course(OTHERS, "R0"), course(OTHERS, "R2"))
        assert found["reasons"][:, 0].tolist() == ["x", "y"]
        assert (found["contributions"][:, 0] > 0).all()

    def test_values_beyond_the_trained_range_are_named(self) -> None:
        run = course(OTHERS, "R1")
        assert call({**run, "y": [40.0] * 40})["outside"].tolist() == ["y"]

    def test_missing_values_are_allowed(self) -> None:
        run = course(OTHERS, "R2")
        run["hum"][3:9] = [np.nan] * 6
        assert call(run)["class"].tolist() == ["worn"]

    def test_only_the_last_steps_count(self) -> None:
        run = course(OTHERS, "R0")
        longer = {name: [9.0] * 5 + values for name, values in run.items()}
        assert call(longer)["probability"] == call(run)["probability"]

    def test_fewer_steps_than_the_window_are_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="a list of 40 to 10000 values per row"):
            call({name: values[1:] for name, values in course(OTHERS, "R0").items()})


def test_broken_artefacts_are_rejected() -> None:
    document = msgspec.msgpack.decode(trained()[0].artefact)
    changed = [{**document, **change} for change in ({"version": 9}, {"graph": b"no graph"})]
    for artefact in (b"", b"{}", *map(msgspec.msgpack.encode, changed)):
        with pytest.raises(VariantBroken):
            load(artefact)
