"""Fine-tuning: output lines, parameters and adapters. tests/engine tests the Ray task itself."""

import base64
import json
from typing import Any

import pytest

from models.adaptation import Adaptation, Metrics, ProgressCallback, Score, TrainingFileInvalid
from models.anomaly_training.adapt import AnomalyFileAdapter
from models.catalog import Task, load_catalog
from models.failure_class.train import ARTEFACT
from models.sentences import sentence
from models.tables.schema import SchemaRequest
from serving.errors import InputInvalid
from serving.specialists.loader import ModelSource
from serving.specialists.specialist import load_onnx_specialist
from serving.training.fine_tune_task import (
    ADAPTERS,
    find_adapter,
    parse_max_seconds,
    run_fine_tuning,
    with_mixing,
    with_schema,
    with_sensitivity,
)
from serving.training.language_model import LanguageModelAdapter, training_threads
from tests.support.models.made_up_mill import (
    WEAKER,
    labelled_lines,
    operating_points,
    training_file,
)
from tests.support.profile import PROFILE


def learn(training_file: bytes, progress: ProgressCallback) -> Adaptation:
    if training_file == b"broken":
        raise TrainingFileInvalid(sentence("Line {number}: it is broken.", number=1))
    if training_file == b"fault":
        raise ZeroDivisionError
    if training_file == b"figures":
        progress(Metrics(10, 24, 0.5))
    progress(sentence("One machine was read."))
    progress(sentence("Learning."))
    return Adaptation(b"\x00\x01", Score("F1", 0.5, 0.75, higher_is_better=True), 4, 1)


def lines(training_file: bytes) -> list[Any]:
    return [json.loads(line) for line in run_fine_tuning(learn, training_file)]


def plain(text: str) -> dict[str, Any]:
    """The line of a sentence without values."""
    return {"progress": text, "sentence": {"template": text, "values": {}}}


class TestFineTuningOutput:
    def test_progress_lines_precede_variant(self) -> None:
        *said, last = lines(b"x")
        assert said == [plain("One machine was read."), plain("Learning.")]
        assert last == {
            "variant": {
                "artefact": "AAE=",
                "score": {
                    "metric": "F1",
                    "base": 0.5,
                    "adapted": 0.75,
                    "higher_is_better": True,
                    "exact": None,
                    "improvement": None,
                    "decision": None,
                    "ready_made": None,
                    "current": None,
                },
                "examples": 4,
                "held_out": 1,
                "trained_tokens": None,
            },
            "seconds": 1,
        }

    def test_metrics_are_written_with_progress_text(self) -> None:
        *said, _ = lines(b"figures")
        metrics = {"step": 10, "total_steps": 24, "train_loss": 0.5, "valid_loss": None}
        told = "Step 10 of 24, training loss 0.500."
        made_of = said[0].pop("sentence")
        assert said[0] == {"progress": told, "metrics": metrics}
        assert made_of["template"].startswith("Step {step} of {of}, training loss")
        assert made_of["values"]["loss"] == 0.5

    def test_invalid_training_file_returns_reason(self) -> None:
        (last,) = lines(b"broken")
        assert last["error"]["code"] == "invalid_training_file"
        assert last["error"]["message"] == "Line 1: it is broken."
        assert last["error"]["sentence"]["values"] == {"number": 1}

    def test_internal_error_returns_no_details(self) -> None:
        (last,) = lines(b"fault")
        assert last["error"]["message"] == "The model could not be fine-tuned."


class TestMaxSeconds:
    @pytest.mark.parametrize(
        ("text", "seconds"), [(None, 300), ("1", 1), ("100", 100), ("300", 300), ("999999", 300)]
    )
    def test_requested_time_is_capped_at_limit(self, text: str | None, seconds: int) -> None:
        assert parse_max_seconds(text, 300) == seconds

    @pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "x", "1000000", "²"])
    def test_invalid_time_is_rejected(self, text: str) -> None:
        with pytest.raises(InputInvalid):
            parse_max_seconds(text, 300)


class TestAdapterMixing:
    @pytest.mark.parametrize(
        ("text", "mixing"), [(None, 1.0), ("1.00", 1.0), ("0.50", 0.5), ("0.01", 0.01)]
    )
    def test_mixing_fraction_is_parsed(self, text: str | None, mixing: float) -> None:
        assert with_mixing(LanguageModelAdapter("b", "n"), text) == LanguageModelAdapter(
            "b", "n", mixing=mixing
        )

    @pytest.mark.parametrize("text", ["", "0", "0.00", "1.01", "-0.50", "nan", ".5", "0.5", "x"])
    def test_invalid_mixing_fraction_is_rejected(self, text: str) -> None:
        with pytest.raises(InputInvalid):
            with_mixing(LanguageModelAdapter("b", "n"), text)

    def test_mixing_fraction_for_specialist_is_rejected(self) -> None:
        assert with_mixing(learn, None) is learn
        with pytest.raises(InputInvalid, match="of a language model"):
            with_mixing(learn, "0.50")


@pytest.mark.parametrize(("processors", "number"), [(1, 1), (2, 2), (3, 2), (16, 8)])
def test_training_threads_are_half_of_many_processors(processors: int, number: int) -> None:
    assert training_threads(processors) == number


class TestAnomalySettings:
    def test_schema_and_sensitivity_are_taken_by_anomaly_detectors(self) -> None:
        adapter = find_adapter("m", ModelSource(Task.ANOMALY_DETECTION, "", "anomaly"))
        stated = with_schema(adapter, b'{"target": "", "false_alarms": 0.002}')
        assert stated == AnomalyFileAdapter(SchemaRequest(target="", false_alarms=0.002))
        assert with_sensitivity(adapter, "2.0") == AnomalyFileAdapter(sensitivity=2.0)
        for schema in (b'{"false_alarms": 0.5}', b'{"false_alarms": "few"}', b"["):
            with pytest.raises(InputInvalid):
                with_schema(adapter, schema)


class TestAdapterLookup:
    def test_every_adapter_of_catalog_is_registered(self) -> None:
        models = load_catalog(PROFILE).models.values()
        named = {model.adapter for model in models if model.adapter is not None}
        assert named == ADAPTERS.keys()

    def test_model_without_adapter_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="cannot be fine-tuned"):
            find_adapter("m", ModelSource(Task.CALCULATION, "oee"))

    def test_failure_class_is_fitted_and_served_as_variant(self) -> None:
        """Fine-tune from a training file and load the variant, without Ray and HTTP."""
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
