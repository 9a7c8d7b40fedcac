"""Specialists that only a customer's variant answers: anomaly detectors and heads for pictures."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.anomaly.adapt import adapt as fit_detector
from models.catalog import Task
from models.surface_defect.adapt import SurfaceAdapter
from serving.errors import InputInvalid, ModelUnfitted, WeightsBroken
from serving.specialists.inference import render, run_all, understand
from serving.specialists.loader import Source, load
from serving.specialists.specialist import Specialist, metadata_of
from tests.support.models.made_up_rig import hours, leaking
from tests.support.models.made_up_surfaces import line, lines, training_file, write_backbone

NAMES = ("pressure", "flow", "current", "room")


def detector() -> bytes:
    normal = hours(1, 600)
    sensors = {name: normal[:, at].tolist() for at, name in enumerate(NAMES)}
    return fit_detector(json.dumps({"sensors": sensors}).encode(), lambda _: None).artefact


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "made_up.onnx")


def infer(model: Specialist, *inputs: dict[str, Any]) -> dict[str, Any]:
    asked, columns = understand(model, json.dumps({"inputs": inputs}).encode(), None)
    rows = len(next(iter(columns.values())))
    (results,) = run_all([(model, columns, rows)])
    answer = json.loads(render(model, asked, results).body)
    return {output["name"]: output["data"] for output in answer["outputs"]}


class TestUnfitted:
    def test_says_what_to_do(self) -> None:
        base = load("quiet", Source(Task.ANOMALY_DETECTION, ""))
        with pytest.raises(ModelUnfitted, match="fine_tuning"):
            understand(base, b"whatever comes", None)
        with pytest.raises(ModelUnfitted):
            base.check({})
        with pytest.raises(ModelUnfitted):
            base.run({})
        metadata = metadata_of(base)
        assert (metadata["inputs"], metadata["outputs"]) == ([], [])

    def test_no_backbone(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsBroken, match="quiet"):
            load("quiet", Source(Task.IMAGE_CLASSIFICATION, str(tmp_path / "nothing.onnx")))


class TestAnomaly:
    def test_goes_on_by_its_state(self) -> None:
        base = load("quiet", Source(Task.ANOMALY_DETECTION, ""))
        variant = base.adapted("ft:quiet:a:b", "4", detector())
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

    def test_what_is_no_variant(self) -> None:
        base = load("quiet", Source(Task.ANOMALY_DETECTION, ""))
        with pytest.raises(WeightsBroken, match="ft:x"):
            base.adapted("ft:x", "1", b"{}")
        with pytest.raises(InputInvalid):
            base.adapted("ft:x", "1", detector()).adapted("ft:y", "1", detector())


class TestPictures:
    def test_judges_by_what_was_learned(self, backbone: Path) -> None:
        base = load("eye", Source(Task.IMAGE_CLASSIFICATION, str(backbone)))
        artefact = SurfaceAdapter(backbone)(training_file(*lines(6)), lambda _: None).artefact
        variant = base.adapted("ft:eye:a:b", "2", artefact)
        assert (variant.name, variant.signature.version) == ("ft:eye:a:b", "2")
        images = [line(label, 99)["image"] for label in ("pitted", "rough")]
        tensor = {"name": "image", "datatype": "BYTES", "shape": [2], "data": images}
        assert infer(variant, tensor)["label"] == ["pitted", "rough"]
        with pytest.raises(InputInvalid, match="row 1"):
            infer(variant, {**tensor, "data": [images[0], "bm8gcGljdHVyZQ=="]})
        with pytest.raises(InputInvalid):
            variant.adapted("ft:x", "1", artefact)

    def test_what_is_no_head(self, backbone: Path) -> None:
        base = load("eye", Source(Task.IMAGE_CLASSIFICATION, str(backbone)))
        with pytest.raises(WeightsBroken, match="ft:x"):
            base.adapted("ft:x", "1", b"{}")
