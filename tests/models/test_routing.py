"""The routing classifier: features, training, and accuracy of the committed artefact."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.routing.classifier import LANGUAGE, MIN_CONFIDENCE, ClassifierInvalid, RouteClassifier
from models.routing.data import (
    DEVELOPMENT,
    EXAMPLES,
    ExamplesInvalid,
    LabelledText,
    examples_digest,
    list_tasks,
    read_examples,
    read_requests,
)
from models.routing.evaluate import METRICS, REQUESTS, evaluate_classifier, suggestion_figures
from models.routing.features import BUCKETS, HEAD, TAIL, features
from models.routing.train import FOLDS, fit_temperature, train_classifier
from tests.support.nightly import nightly

CHINESE = range(ord("一"), ord("鿿") + 1)


def made_up() -> list[LabelledText]:
    """Three tasks separable by words, with more examples than folds."""
    tasks = {
        "pump": ("flow and head {}", "扬程 流量 {}"),
        "motor": ("volts and amps {}", "电压 电流 {}"),
        LANGUAGE: ("write a poem {}", "写诗 {}"),
    }
    return [
        LabelledText(task, text.format("x" * number))
        for task, texts in tasks.items()
        for text in texts
        for number in range(FOLDS)
    ]


@pytest.fixture(scope="module")
def learned() -> RouteClassifier:
    return train_classifier(made_up())


class TestTextFeatures:
    def test_features_have_unit_length(self) -> None:
        buckets, weights = features("pump at 1450 rpm 泵")
        assert len(set(buckets.tolist())) == len(buckets) == len(weights)
        assert buckets.max() < BUCKETS
        assert np.linalg.norm(weights) == pytest.approx(1)

    @pytest.mark.parametrize("text", ["", " ", "🙂", "\ud800", "\0"])
    def test_empty_or_unusual_text_has_unit_length(self, text: str) -> None:
        assert np.linalg.norm(features(text)[1]) == pytest.approx(1)

    def test_features_are_independent_of_machine(self) -> None:
        """The committed weights are valid for these buckets only."""
        assert sorted(features("泵 oee")[0].tolist()) == sorted(features("OEE,泵!")[0].tolist())
        assert set(features("泵")[0].tolist()) == {1086, 3960, 8424}

    def test_digits_of_numbers_are_ignored(self) -> None:
        first, second = features("C=30.5 kN, n 1500"), features("C=99 kN, n 2")
        assert first[0].tolist() == second[0].tolist()
        assert features("C kN, n")[0].tolist() != first[0].tolist()

    def test_long_text_uses_only_head_and_tail(self) -> None:
        start, end = "a" * HEAD, "z" * TAIL
        short, long = features(f"{start} {end}"), features(f"{start}{'pump ' * 99_999}{end}")
        assert long[0].tolist() == short[0].tolist()


class TestRoutingExamples:
    @pytest.mark.parametrize("line", ["no tab", "\ttext", "task\t", "task\t "])
    def test_invalid_line_is_rejected_with_file_and_line(self, tmp_path: Path, line: str) -> None:
        file = tmp_path / "examples.tsv"
        file.write_text(f"a\tb\n{line}\n", encoding="utf-8")
        with pytest.raises(ExamplesInvalid, match=r"examples\.tsv, line 2"):
            read_examples(file)

    def test_every_task_has_enough_examples_in_both_languages(self) -> None:
        examples = read_examples(EXAMPLES)
        for task in list_tasks(examples):
            own = [one.text for one in examples if one.task == task]
            chinese = sum(any(ord(letter) in CHINESE for letter in text) for text in own)
            assert len(own) >= 50
            assert chinese >= 20
            assert len(own) - chinese >= 20

    def test_examples_have_no_duplicates(self) -> None:
        texts = [one.text for one in read_examples(EXAMPLES)]
        assert len(texts) == len(set(texts))


class TestClassifierTraining:
    def test_classifier_predicts_task_of_text(self, learned: RouteClassifier) -> None:
        assert learned.tasks == (LANGUAGE, "motor", "pump")
        assert learned.predict("what flow at that head").task == "pump"
        assert learned.predict("写诗吧").task == LANGUAGE

    def test_prediction_has_sorted_probability_per_task(self, learned: RouteClassifier) -> None:
        judgement = learned.predict("flow")
        shares = list(judgement.confidences.values())
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)
        assert judgement.confidence == shares[0]

    def test_temperature_maximises_likelihood(self) -> None:
        """Three of four are correct at the same margin: confidence 75 %, so exp(2 / t) = 3."""
        margins = np.array([[1.0, -1.0]] * 4)
        found = fit_temperature(margins, np.array([0, 0, 0, 1]))
        assert found == pytest.approx(2 / np.log(3), rel=1e-3)

    def test_saved_classifier_gives_the_same_predictions(
        self, learned: RouteClassifier, tmp_path: Path
    ) -> None:
        learned.save(tmp_path / "weights.npz")
        loaded = RouteClassifier.load(tmp_path / "weights.npz")
        assert (loaded.tasks, loaded.examples_sha256) == (learned.tasks, examples_digest(made_up()))
        expected = learned.predict("flow").confidences
        assert loaded.predict("flow").confidences == pytest.approx(expected, abs=0.01)

    def test_invalid_artefact_is_rejected(self, tmp_path: Path) -> None:
        file = tmp_path / "weights.npz"
        with pytest.raises(ClassifierInvalid, match="cannot be read"):
            RouteClassifier.load(file)
        file.write_bytes(b"PK")
        with pytest.raises(ClassifierInvalid, match="cannot be read"):
            RouteClassifier.load(file)
        np.savez(file, tasks=np.array(["a"]))
        with pytest.raises(ClassifierInvalid, match="cannot be read"):
            RouteClassifier.load(file)

    def test_artefact_with_other_features_is_rejected(
        self, learned: RouteClassifier, tmp_path: Path
    ) -> None:
        other = RouteClassifier(
            learned.tasks, learned.weights[:10], learned.offsets, 1.0, learned.examples_sha256
        )
        other.save(tmp_path / "weights.npz")
        with pytest.raises(ClassifierInvalid, match="other features"):
            RouteClassifier.load(tmp_path / "weights.npz")


class TestSuggestionFigures:
    def test_precision_and_recall_are_computed(self, learned: RouteClassifier) -> None:
        asked = [
            LabelledText("pump", "flow and head"),
            LabelledText("pump", "写诗"),
            LabelledText("x", "flow"),
        ]
        judgements = [learned.predict(one.text) for one in asked]
        assert all(it.confidence > MIN_CONFIDENCE for it in judgements)
        assert suggestion_figures(judgements, asked) == {"precision": 0.5, "recall": 0.3333}


class TestCommittedClassifier:
    """The committed artefact and its published figures."""

    def test_artefact_is_trained_on_committed_examples(self) -> None:
        examples = read_examples(EXAMPLES)
        ours = RouteClassifier.load()
        assert ours.examples_sha256 == examples_digest(examples)
        again = train_classifier(examples)
        for one in read_examples(DEVELOPMENT):
            assert again.predict(one.text).task == ours.predict(one.text).task

    def test_there_are_200_test_requests_in_both_languages(self) -> None:
        asked = read_requests(REQUESTS)
        chinese = sum(any(ord(letter) in CHINESE for letter in one.text) for one in asked)
        assert (len(asked), len({one.text for one in asked})) == (200, 200)
        assert 90 <= chinese <= 110
        assert set(list_tasks(asked)) == set(RouteClassifier.load().tasks)

    def test_requests_are_absent_from_training_examples(self) -> None:
        known = {one.text for file in (EXAMPLES, DEVELOPMENT) for one in read_examples(file)}
        assert not known & {one.text for one in read_requests(REQUESTS)}

    @nightly
    def test_recorded_accuracy_is_reproduced_and_meets_target(self) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))
        assert evaluate_classifier()["requests"] == recorded["requests"]
        assert recorded["requests"]["right"] >= 0.95
