"""The routing classifier: what it looks at, that it learns, and how often ours is right."""

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

CHINESE = range(ord("一"), ord("鿿") + 1)


def made_up() -> list[LabelledText]:
    """Three tasks that words tell apart, in more examples than there are folds."""
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


class TestFeatures:
    def test_have_length_one(self) -> None:
        buckets, weights = features("pump at 1450 rpm 泵")
        assert len(set(buckets.tolist())) == len(buckets) == len(weights)
        assert buckets.max() < BUCKETS
        assert np.linalg.norm(weights) == pytest.approx(1)

    @pytest.mark.parametrize("text", ["", " ", "🙂", "\ud800", "\0"])
    def test_of_next_to_nothing(self, text: str) -> None:
        assert np.linalg.norm(features(text)[1]) == pytest.approx(1)

    def test_are_those_of_every_machine(self) -> None:
        """What the committed weights were learned with: other buckets make them worthless."""
        assert sorted(features("泵 oee")[0].tolist()) == sorted(features("OEE,泵!")[0].tolist())
        assert set(features("泵")[0].tolist()) == {1086, 3960, 8424}

    def test_see_numbers_without_their_digits(self) -> None:
        first, second = features("C=30.5 kN, n 1500"), features("C=99 kN, n 2")
        assert first[0].tolist() == second[0].tolist()
        assert features("C kN, n")[0].tolist() != first[0].tolist()

    def test_of_a_long_text_are_those_of_its_ends(self) -> None:
        start, end = "a" * HEAD, "z" * TAIL
        short, long = features(f"{start} {end}"), features(f"{start}{'pump ' * 99_999}{end}")
        assert long[0].tolist() == short[0].tolist()


class TestExamples:
    @pytest.mark.parametrize("line", ["no tab", "\ttext", "task\t", "task\t "])
    def test_a_line_that_is_none_is_named(self, tmp_path: Path, line: str) -> None:
        file = tmp_path / "examples.tsv"
        file.write_text(f"a\tb\n{line}\n", encoding="utf-8")
        with pytest.raises(ExamplesInvalid, match=r"examples\.tsv, line 2"):
            read_examples(file)

    def test_ours_are_many_for_each_task_in_both_scripts(self) -> None:
        examples = read_examples(EXAMPLES)
        for task in list_tasks(examples):
            own = [one.text for one in examples if one.task == task]
            chinese = sum(any(ord(letter) in CHINESE for letter in text) for text in own)
            assert len(own) >= 50
            assert chinese >= 20
            assert len(own) - chinese >= 20

    def test_none_is_there_twice(self) -> None:
        texts = [one.text for one in read_examples(EXAMPLES)]
        assert len(texts) == len(set(texts))


class TestLearning:
    def test_tells_tasks_apart(self, learned: RouteClassifier) -> None:
        assert learned.tasks == (LANGUAGE, "motor", "pump")
        assert learned.predict("what flow at that head").task == "pump"
        assert learned.predict("写诗吧").task == LANGUAGE

    def test_a_judgement_is_a_probability_for_each_task(self, learned: RouteClassifier) -> None:
        judgement = learned.predict("flow")
        shares = list(judgement.confidences.values())
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)
        assert judgement.confidence == shares[0]

    def test_the_temperature_is_the_likeliest(self) -> None:
        """Three of four right at the same margin: 75 % sure, so exp(2 / t) is 3."""
        margins = np.array([[1.0, -1.0]] * 4)
        found = fit_temperature(margins, np.array([0, 0, 0, 1]))
        assert found == pytest.approx(2 / np.log(3), rel=1e-3)

    def test_what_is_saved_judges_alike(self, learned: RouteClassifier, tmp_path: Path) -> None:
        learned.save(tmp_path / "weights.npz")
        loaded = RouteClassifier.load(tmp_path / "weights.npz")
        assert (loaded.tasks, loaded.examples_sha256) == (learned.tasks, examples_digest(made_up()))
        expected = learned.predict("flow").confidences
        assert loaded.predict("flow").confidences == pytest.approx(expected, abs=0.01)

    def test_what_is_no_artefact_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "weights.npz"
        with pytest.raises(ClassifierInvalid, match="cannot be read"):
            RouteClassifier.load(file)
        file.write_bytes(b"PK")
        with pytest.raises(ClassifierInvalid, match="cannot be read"):
            RouteClassifier.load(file)
        np.savez(file, tasks=np.array(["a"]))
        with pytest.raises(ClassifierInvalid, match="cannot be read"):
            RouteClassifier.load(file)

    def test_an_artefact_of_other_features_is_refused(
        self, learned: RouteClassifier, tmp_path: Path
    ) -> None:
        other = RouteClassifier(
            learned.tasks, learned.weights[:10], learned.offsets, 1.0, learned.examples_sha256
        )
        other.save(tmp_path / "weights.npz")
        with pytest.raises(ClassifierInvalid, match="other features"):
            RouteClassifier.load(tmp_path / "weights.npz")


class TestSuggestions:
    def test_are_counted_both_ways(self, learned: RouteClassifier) -> None:
        asked = [
            LabelledText("pump", "flow and head"),
            LabelledText("pump", "写诗"),
            LabelledText("x", "flow"),
        ]
        judgements = [learned.predict(one.text) for one in asked]
        assert all(it.confidence > MIN_CONFIDENCE for it in judgements)
        assert suggestion_figures(judgements, asked) == {"precision": 0.5, "recall": 0.3333}


class TestOurs:
    """The committed artefact, and the figures that are published of it."""

    def test_was_learned_from_the_examples_that_lie_beside_it(self) -> None:
        examples = read_examples(EXAMPLES)
        ours = RouteClassifier.load()
        assert ours.examples_sha256 == examples_digest(examples)
        again = train_classifier(examples)
        for one in read_examples(DEVELOPMENT):
            assert again.predict(one.text).task == ours.predict(one.text).task

    def test_the_requests_are_as_many_and_as_mixed_as_they_should_be(self) -> None:
        asked = read_requests(REQUESTS)
        chinese = sum(any(ord(letter) in CHINESE for letter in one.text) for one in asked)
        assert (len(asked), len({one.text for one in asked})) == (200, 200)
        assert 90 <= chinese <= 110
        assert set(list_tasks(asked)) == set(RouteClassifier.load().tasks)

    def test_the_requests_are_kept_apart(self) -> None:
        known = {one.text for file in (EXAMPLES, DEVELOPMENT) for one in read_examples(file)}
        assert not known & {one.text for one in read_requests(REQUESTS)}

    def test_the_figures_are_those_recorded_and_hold_the_bar(self) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))
        assert evaluate_classifier()["requests"] == recorded["requests"]
        assert recorded["requests"]["right"] >= 0.95
