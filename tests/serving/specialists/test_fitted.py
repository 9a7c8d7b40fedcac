"""Specialists that only serve fine-tuned variants: anomaly detection and surface defects."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.anomaly.adapt import adapt as fit_detector
from models.catalog import Task
from models.monitoring.adapt import MonitorAdapter
from models.surface_defect.adapt import SurfaceAdapter
from serving.errors import InputInvalid, ModelNotFitted, WeightsBroken
from serving.specialists.inference import parse_inference, render_inference, run_batch
from serving.specialists.loader import ModelSource, load_specialist
from serving.specialists.specialist import Specialist, model_metadata
from tests.support.models.made_up_rig import hours, leaking
from tests.support.models.made_up_surfaces import line, lines, training_file, write_backbone
from tests.support.models.processes import last_rows, process
from tests.support.models.tables import csv

NAMES = ("pressure", "flow", "current", "room")


def detector() -> bytes:
    normal = hours(1, 600)
    sensors = {name: normal[:, at].tolist() for at, name in enumerate(NAMES)}
    return fit_detector(json.dumps({"sensors": sensors}).encode(), lambda _: None).artefact


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "made_up.onnx")


def infer(model: Specialist, *inputs: dict[str, Any]) -> dict[str, Any]:
    asked, columns = parse_inference(model, json.dumps({"inputs": inputs}).encode(), None)
    rows = len(next(iter(columns.values())))
    (results,) = run_batch([(model, columns, rows)])
    answer = json.loads(render_inference(model, asked, results).body)
    return {output["name"]: output["data"] for output in answer["outputs"]}


class TestUnfittedModel:
    def test_base_model_without_variant_raises_model_not_fitted(self) -> None:
        base = load_specialist("quiet", ModelSource(Task.ANOMALY_DETECTION, ""))
        with pytest.raises(ModelNotFitted, match="fine_tuning"):
            parse_inference(base, b"whatever comes", None)
        with pytest.raises(ModelNotFitted):
            base.check({})
        with pytest.raises(ModelNotFitted):
            base.run({})
        metadata = model_metadata(base)
        assert (metadata["inputs"], metadata["outputs"]) == ([], [])

    def test_missing_backbone_raises_weights_broken(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="quiet"):
            load_specialist(
                "quiet", ModelSource(Task.IMAGE_CLASSIFICATION, str(tmp_path / "nothing.onnx"))
            )


class TestMonitorVariant:
    def test_detector_of_a_table_is_loaded_by_its_artefact(self) -> None:
        base = load_specialist("quiet", ModelSource(Task.ANOMALY_DETECTION, ""))
        artefact = MonitorAdapter()(csv(process(120)), lambda _: None).artefact
        model = base.load_variant("quiet:pump", "3", artefact)
        metadata = model_metadata(model)
        assert (metadata["platform"], metadata["versions"]) == ("numpy", ["3"])
        row = last_rows(process(120, seed=9, fault_rows=20), 4)
        tensors = [
            {"name": name, "datatype": "BYTES" if name == "grade" else "FP32",
             "shape": [1, 4], "data": values}
            for name, values in row.items()
        ]  # fmt: skip
        answer = infer(model, *tensors)
        assert answer["is_anomaly"] == [True]
        assert "power [kW]" in np.array(answer["reasons"]).ravel()
        with pytest.raises(WeightsBroken):
            base.load_variant("quiet:pump", "3", b"\x80")


class TestAnomalyVariant:
    def test_returned_state_continues_detection(self) -> None:
        base = load_specialist("quiet", ModelSource(Task.ANOMALY_DETECTION, ""))
        variant = base.load_variant("ft:quiet:a:b", "4", detector())
        assert (variant.name, variant.signature.version) == ("ft:quiet:a:b", "4")
        wild = leaking(leaking(leaking(hours(2, 60))))
        tensors = [
            {"name": name, "datatype": "FP32", "shape": [1, 60], "data": wild[:, at].tolist()}
            for at, name in enumerate(NAMES)
        ]
        first = infer(variant, *tensors)
        state = {"name": "state", "datatype": "BYTES", "shape": [1], "data": first["state"]}
        second = infer(variant, *tensors, state)
        assert sum(second["alarm"][0]) > sum(first["alarm"][0]) > 0
        foreign = {**state, "data": ["no state"]}
        with pytest.raises(InputInvalid, match="row 0"):
            infer(variant, *tensors, foreign)

    def test_invalid_artefact_or_nested_variant_is_rejected(self) -> None:
        base = load_specialist("quiet", ModelSource(Task.ANOMALY_DETECTION, ""))
        with pytest.raises(WeightsBroken, match="ft:x"):
            base.load_variant("ft:x", "1", b"{}")
        with pytest.raises(InputInvalid):
            base.load_variant("ft:x", "1", detector()).load_variant("ft:y", "1", detector())


class TestSurfaceDefectVariant:
    def test_variant_classifies_images_and_rejects_invalid_image(self, backbone: Path) -> None:
        base = load_specialist("eye", ModelSource(Task.IMAGE_CLASSIFICATION, str(backbone)))
        artefact = SurfaceAdapter(backbone)(training_file(*lines(6)), lambda _: None).artefact
        variant = base.load_variant("ft:eye:a:b", "2", artefact)
        assert (variant.name, variant.signature.version) == ("ft:eye:a:b", "2")
        images = [line(label, 99)["image"] for label in ("pitted", "rough")]
        tensor = {"name": "image", "datatype": "BYTES", "shape": [2], "data": images}
        assert infer(variant, tensor)["label"] == ["pitted", "rough"]
        with pytest.raises(InputInvalid, match="row 1"):
            infer(variant, {**tensor, "data": [images[0], "bm8gcGljdHVyZQ=="]})
        with pytest.raises(InputInvalid):
            variant.load_variant("ft:x", "1", artefact)

    def test_invalid_artefact_raises_weights_broken(self, backbone: Path) -> None:
        base = load_specialist("eye", ModelSource(Task.IMAGE_CLASSIFICATION, str(backbone)))
        with pytest.raises(WeightsBroken, match="ft:x"):
            base.load_variant("ft:x", "1", b"{}")
