"""What is said while a specialist learns. The Ray task around it is tested with real engines."""

import base64
import json
from typing import Any

import pytest

from models.adaptation import Adaptation, Metrics, ProgressCallback, Score, TrainingFileInvalid
from models.catalog import Task, load_catalog
from models.failure_class.train import ARTEFACT
from serving.errors import InputInvalid
from serving.specialists.loader import ModelSource
from serving.specialists.specialist import load_onnx_specialist
from serving.training.fine_tune_task import (
    ADAPTERS,
    LanguageModelAdapter,
    find_adapter,
    parse_max_seconds,
    run_fine_tuning,
    training_threads,
    with_mixing,
)  # fmt: skip
from tests.support.models.made_up_mill import (
    WEAKER,
    labelled_lines,
    operating_points,
    training_file,
)


def learn(training_file: bytes, progress: ProgressCallback) -> Adaptation:
    if training_file == b"broken":
        raise TrainingFileInvalid("Line 1: it is broken.")
    if training_file == b"fault":
        raise ZeroDivisionError
    if training_file == b"figures":
        progress(Metrics(10, 24, 0.5))
    progress("One machine was read.")
    progress("Learning.")
    return Adaptation(b"\x00\x01", Score("F1", 0.5, 0.75, higher_is_better=True), 4, 1)


def lines(training_file: bytes) -> list[Any]:
    return [json.loads(line) for line in run_fine_tuning(learn, training_file)]


class TestTold:
    def test_progress_and_then_the_variant(self) -> None:
        *said, last = lines(b"x")
        assert said == [{"progress": "One machine was read."}, {"progress": "Learning."}]
        assert last == {
            "variant": {
                "artefact": "AAE=",
                "score": {
                    "metric": "F1",
                    "base": 0.5,
                    "adapted": 0.75,
                    "higher_is_better": True,
                    "exact": None,
                },
                "examples": 4,
                "held_out": 1,
                "trained_tokens": None,
            },
            "seconds": 1,
        }

    def test_figures_stand_beside_a_sentence(self) -> None:
        *said, _ = lines(b"figures")
        metrics = {"step": 10, "total_steps": 24, "train_loss": 0.5, "valid_loss": None}
        sentence = "Step 10 of 24, training loss 0.500."
        assert said[0] == {"progress": sentence, "metrics": metrics}

    def test_what_the_file_is_refused_for(self) -> None:
        (last,) = lines(b"broken")
        assert last["error"]["code"] == "invalid_training_file"
        assert last["error"]["message"] == "Line 1: it is broken."

    def test_a_fault_of_ours_is_not_explained(self) -> None:
        (last,) = lines(b"fault")
        assert last["error"]["message"] == "The model could not be fine-tuned."


class TestSeconds:
    @pytest.mark.parametrize(
        ("text", "seconds"), [(None, 300), ("1", 1), ("100", 100), ("300", 300), ("999999", 300)]
    )
    def test_no_longer_than_any(self, text: str | None, seconds: int) -> None:
        assert parse_max_seconds(text, 300) == seconds

    @pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "x", "1000000", "²"])
    def test_what_is_no_time(self, text: str) -> None:
        with pytest.raises(InputInvalid):
            parse_max_seconds(text, 300)


class TestGoing:
    @pytest.mark.parametrize(
        ("text", "mixing"), [(None, 1.0), ("1.00", 1.0), ("0.50", 0.5), ("0.01", 0.01)]
    )
    def test_a_part_of_the_way(self, text: str | None, mixing: float) -> None:
        assert with_mixing(LanguageModelAdapter("b", "p"), text) == LanguageModelAdapter(
            "b", "p", mixing
        )

    @pytest.mark.parametrize("text", ["", "0", "0.00", "1.01", "-0.50", "nan", ".5", "0.5", "x"])
    def test_what_is_no_part(self, text: str) -> None:
        with pytest.raises(InputInvalid):
            with_mixing(LanguageModelAdapter("b", "p"), text)

    def test_a_specialist_is_fitted_whole(self) -> None:
        assert with_mixing(learn, None) is learn
        with pytest.raises(InputInvalid, match="of a language model"):
            with_mixing(learn, "0.50")


@pytest.mark.parametrize(("processors", "number"), [(1, 1), (2, 2), (3, 2), (16, 8)])
def test_learning_has_half_of_many_processors(processors: int, number: int) -> None:
    assert training_threads(processors) == number


class TestAdapters:
    def test_every_one_that_the_catalog_names_is_there(self) -> None:
        models = load_catalog("cpu").models.values()
        named = {model.adapter for model in models if model.adapter is not None}
        assert named == ADAPTERS.keys()

    def test_none(self) -> None:
        with pytest.raises(InputInvalid, match="cannot be fine-tuned"):
            find_adapter("m", ModelSource(Task.CALCULATION, "oee"))

    def test_a_failure_class_learns_and_its_variant_is_served(self) -> None:
        """The whole way of a training file, but for the process and the wire."""
        points = operating_points(1, 300)
        failed = WEAKER.failures(points)
        adapter = find_adapter(
            "mill", ModelSource(Task.CLASSIFICATION, str(ARTEFACT), "failure_class")
        )
        *said, last = run_fine_tuning(adapter, training_file(*labelled_lines(points, failed)))
        assert len(said) == 4
        end = json.loads(last)
        assert end["variant"]["score"]["adapted"] < end["variant"]["score"]["base"]
        base = load_onnx_specialist("mill", ARTEFACT)
        made = base64.b64decode(end["variant"]["artefact"])
        right = [
            (each.run(points.input_feed())["failure"] == failed).mean()
            for each in (base, base.load_variant("mill:line-3", "1", made))
        ]
        assert right[0] < 0.9 < 0.97 < right[1]
