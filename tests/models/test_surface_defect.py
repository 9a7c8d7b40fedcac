"""Surface defect classification on a minimal backbone: variants, artefacts and statistics."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.signature import Columns, InputInvalid, validate_columns
from models.surface_defect import discriminant, held_out
from models.surface_defect import head as heads
from models.surface_defect.adapt import SurfaceAdapter
from models.surface_defect.backbone import Backbone, BackboneBroken, open_backbone
from models.surface_defect.head import HeadBroken
from models.surface_defect.held_out import assign_folds, cross_validate, probabilities
from models.surface_defect.variant import VERSION, Variant, load
from models.surface_defect.views import ViewPlan
from tests.support.models.made_up_surfaces import (
    LABELS,
    WIDTH,
    base64_of,
    file_of,
    lines,
    surface,
    training_file,
    write_backbone,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "made_up.onnx")


@pytest.fixture(scope="module")
def backbone(path: Path) -> Backbone:
    return open_backbone(path)


@pytest.fixture(scope="module")
def artefact(path: Path) -> bytes:
    return SurfaceAdapter(path)(training_file(*lines(10)), lambda told: None).artefact


@pytest.fixture(scope="module")
def variant(artefact: bytes, backbone: Backbone) -> Variant:
    return load(artefact, backbone)


def images(*files: bytes) -> Columns:
    return {"image": np.array([base64_of(file) for file in files], dtype=object)}


def ask(variant: Variant, asked: Columns) -> Columns:
    accepted = validate_columns(variant.signature, asked, {})
    variant.check(accepted)
    return variant.run(accepted)


def clouds(each: int, apart: float, seed: int, width: int = 40) -> tuple[Any, Any]:
    """Features of two views per image, [images, 2, width], and the labels of three classes."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), each)
    own = generator.normal(size=(len(truth), 1, width))
    own[..., :3] += apart * np.eye(3)[truth][:, np.newaxis]
    return (own + 0.1 * generator.normal(size=(len(truth), 2, width))).astype(np.float32), truth


class TestSurfaceVariant:
    def test_signature_has_image_input_and_label_outputs(self, variant: Variant) -> None:
        assert variant.signature.version == VERSION
        assert [one.name for one in variant.signature.inputs] == ["image"]
        assert variant.signature.inputs[0].datatype == "BYTES"
        outputs = {one.name: one for one in variant.signature.outputs}
        names = ["label", "probability", "second", "familiarity", "heatmap", "box"]
        assert list(outputs) == names
        assert "brushed, pitted, rough" in outputs["label"].description

    def test_outputs_match_signature(self, variant: Variant) -> None:
        answer = ask(variant, images(*(file_of(surface(label, 80)) for label in LABELS)))
        assert list(answer) == [one.name for one in variant.signature.outputs]
        assert answer["label"].tolist() == list(LABELS)
        assert not set(zip(answer["label"], answer["second"], strict=True)) & {
            (label, label) for label in LABELS
        }
        for name in ("probability", "familiarity"):
            assert answer[name].dtype == np.float32
            assert ((answer[name] > 0) & (answer[name] <= 1)).all()
        assert (answer["probability"] > 0.5).all()

    def test_batch_results_equal_single_row_results(self, variant: Variant) -> None:
        files = [file_of(surface(label, 81, 60 + 20 * at, 90)) for at, label in enumerate(LABELS)]
        together = ask(variant, images(*files))
        for at, file in enumerate(files):
            for name, column in ask(variant, images(file)).items():
                np.testing.assert_array_equal(column[0], together[name][at])

    def test_invalid_image_is_rejected_with_row(self, variant: Variant) -> None:
        good = file_of(surface("rough", 82))
        with pytest.raises(InputInvalid, match=r"'image' in row 2 is damaged or truncated\.") as it:
            variant.check(images(good, good, good[:1000]))
        assert it.value.param == "image"

    def test_unfamiliar_image_has_low_familiarity(self, variant: Variant) -> None:
        known = ask(variant, images(*(file_of(surface("rough", seed)) for seed in range(90, 110))))
        blank, black = np.full((64, 64), 255, np.uint8), np.zeros((64, 64), np.uint8)
        strange = ask(variant, images(file_of(blank), file_of(black)))
        assert strange["familiarity"].max() < 0.05
        assert np.mean(known["familiarity"] < 0.05) < 0.25

    def test_artefact_is_smaller_than_2000_bytes(self, artefact: bytes) -> None:
        assert len(artefact) < 2_000


class TestSurfaceArtefact:
    def test_artefact_round_trips_exactly(self, artefact: bytes, backbone: Backbone) -> None:
        head = heads.load(artefact, backbone.identity, backbone.width)
        assert heads.serialise(head) == artefact

    @pytest.mark.parametrize("cut", [0, 1, 100, -1])
    def test_truncated_artefact_is_rejected(
        self, artefact: bytes, backbone: Backbone, cut: int
    ) -> None:
        with pytest.raises(HeadBroken):
            load(artefact[:cut], backbone)

    @pytest.mark.parametrize("data", [b"\x00\xff", b"[]", b"null", b'{"version": "1"}', b"PK\x03"])
    def test_invalid_bytes_are_rejected(self, backbone: Backbone, data: bytes) -> None:
        with pytest.raises(HeadBroken):
            load(data, backbone)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            pytest.param({"version": 2}, "version 2", id="another version"),
            pytest.param(
                {"backbone": "another"}, "on the backbone 'another'", id="another backbone"
            ),
            pytest.param({"labels": ["a"]}, "1 labels", id="one label"),
            pytest.param({"labels": ["a", "b", "a"]}, "twice", id="a label twice"),
            pytest.param({"labels": ["a", "b"]}, "shape", id="fewer labels"),
            pytest.param({"temperature": 0}, "not above 0", id="no temperature"),
            pytest.param({"far": [1, -1]}, "not above 0", id="nothing is far"),
            pytest.param({"middle": ""}, "middle is not of the shape", id="no middle"),
            pytest.param({"strangeness": ""}, "does not ascend", id="no pictures"),
            pytest.param({"run": "rm"}, "unknown field", id="another field"),
        ],
    )
    def test_inconsistent_fields_are_rejected(
        self, artefact: bytes, backbone: Backbone, change: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(HeadBroken, match=said):
            load(json.dumps({**json.loads(artefact), **change}).encode(), backbone)

    @pytest.mark.parametrize(
        ("name", "values", "said"),
        [
            ("projection", [np.nan] * WIDTH * 2, "not a finite number"),
            ("spread", [0.0] * WIDTH, "not above 0"),
            ("strangeness", [2.0, 1.0], "does not ascend"),
        ],
    )
    def test_invalid_numbers_are_rejected(
        self, artefact: bytes, backbone: Backbone, name: str, values: Sequence[float], said: str
    ) -> None:
        packed = base64.b64encode(np.array(values, dtype="<f4").tobytes()).decode()
        with pytest.raises(HeadBroken, match=said):
            load(json.dumps({**json.loads(artefact), name: packed}).encode(), backbone)


class TestBackbone:
    def test_backbone_has_identity_and_width(self, backbone: Backbone) -> None:
        assert (backbone.identity, backbone.width) == ("made up", WIDTH)
        assert backbone.extract_features([]).shape == (0, WIDTH)

    @pytest.mark.parametrize("content", [b"", b"none"])
    def test_invalid_file_raises_backbone_broken(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "backbone.onnx"
        path.write_bytes(content)
        with pytest.raises(BackboneBroken):
            open_backbone(path)

    def test_graph_without_identity_raises_backbone_broken(self, tmp_path: Path) -> None:
        with pytest.raises(BackboneBroken, match="no backbone"):
            open_backbone(write_backbone(tmp_path / "backbone.onnx", identity=""))


class TestQuarterTurns:
    """Views of an image: upright ones, then four turned by a quarter."""

    def views(self, turned_apart: float) -> tuple[Any, Any]:
        views, truth = clouds(12, 4.0, seed=3)
        turned = np.repeat(views[:, :1], 4, axis=1).copy()
        turned[:, :, :3] += turned_apart * np.roll(np.eye(3), 1, axis=0)[truth][:, np.newaxis]
        turned[:, :, :3] -= turned_apart * np.eye(3)[truth][:, np.newaxis]
        upright = np.repeat(views[:, :1], ViewPlan.ALL.value, axis=1)
        return np.concatenate([upright, turned], axis=1), truth

    def test_turns_are_learned_where_labels_do_not_depend_on_them(self) -> None:
        views, truth = self.views(turned_apart=0.0)
        assert heads.fit(views, truth, LABELS, "made up").turned

    def test_turns_are_left_out_where_they_look_like_another_label(self) -> None:
        views, truth = self.views(turned_apart=4.0)
        fitted = heads.fit(views, truth, LABELS, "made up")
        assert not fitted.turned
        assert fitted.held_out.accuracy > 0.9


class TestDiscriminant:
    def test_projected_classes_have_unit_deviation(self) -> None:
        views, truth = clouds(400, 4.0, seed=1, width=6)
        known = discriminant.fit(views[:, 0], truth)
        assert known.projection.shape == (6, 2)
        coordinates = known.standardise(views[:, 0]) @ known.projection
        for one in range(3):
            about = coordinates[truth == one] - known.centres[one]
            np.testing.assert_allclose(about.mean(axis=0), 0, atol=0.05)
            np.testing.assert_allclose(about.std(axis=0), 1, atol=0.25)

    def test_classes_are_separated_with_more_features_than_images(self) -> None:
        views, truth = clouds(10, 5.0, seed=2)
        fresh, right = clouds(100, 5.0, seed=3)
        known = held_out.fit_discriminant(views, truth)
        said = known.class_distances(known.standardise(fresh[:, 0])).argmin(axis=1)
        assert np.mean(said == right) > 0.9

    def test_identical_images_give_finite_distances(self) -> None:
        truth = np.repeat([0, 1], 5)
        for features in (np.ones((10, 4)), np.eye(2, 4)[truth]):
            known = discriminant.fit(features, truth)
            assert np.isfinite(known.class_distances(known.standardise(features))).all()


class TestCrossValidation:
    def test_folds_are_consecutive_within_each_class(self) -> None:
        truth = np.array([0] * 10 + [1] * 5)
        assert assign_folds(truth).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 1, 2, 3, 4]

    def test_near_copies_are_in_one_fold(self) -> None:
        truth, groups = np.repeat([0, 1], [8, 6]), np.arange(14)
        groups[[3, 6, 10]] = 2  # two of the same class, one of the other
        folds = assign_folds(truth, groups)
        assert len(set(folds[[2, 3, 6, 10]].tolist())) == 1
        assert all(len(set(folds[truth == label].tolist())) == 5 for label in (0, 1))

    def test_class_of_copies_of_one_image_is_divided(self) -> None:
        truth, groups = np.repeat([0, 1], [5, 6]), np.arange(11)
        groups[:5] = 0
        folds = assign_folds(truth, groups)
        assert folds[:5].tolist() == [0, 1, 2, 3, 4]

    def test_accuracy_equals_accuracy_on_new_images(self) -> None:
        """The classes overlap; accuracy on the training images themselves would be 1."""
        judged = cross_validate(*clouds(100, 2.0, seed=4))
        views, truth = clouds(1000, 2.0, seed=5)
        known = held_out.fit_discriminant(*clouds(100, 2.0, seed=4))
        fresh = known.class_distances(known.standardise(views[:, 0])).argmin(axis=1)
        assert judged.accuracy == pytest.approx(np.mean(fresh == truth), abs=0.06)

    def test_probabilities_are_calibrated_on_new_images(self) -> None:
        judged = cross_validate(*clouds(100, 2.0, seed=6))
        views, truth = clouds(1000, 2.0, seed=7)
        known = held_out.fit_discriminant(*clouds(100, 2.0, seed=6))
        distances = known.class_distances(known.standardise(views[:, 0]))
        sure = probabilities(distances, judged.fit_temperature())
        np.testing.assert_allclose(sure.sum(axis=1), 1)
        right = np.mean(distances.argmin(axis=1) == truth)
        assert sure.max(axis=1).mean() == pytest.approx(right, abs=0.05)

    def test_few_correct_images_do_not_give_certainty(self) -> None:
        judged = cross_validate(*clouds(5, 60.0, seed=8))
        assert judged.accuracy == 1
        sure = probabilities(judged.distances, judged.fit_temperature())
        assert sure.max(axis=1).mean() == pytest.approx(16 / 17, abs=1e-3)

    def test_familiarity_is_uniform_for_images_of_same_kind(self) -> None:
        """A conformal p-value is below a level at most as often as the level states."""
        views, truth = clouds(60, 4.0, seed=9)
        head = heads.fit(views, truth, LABELS, "made up").head
        fresh, _ = clouds(1000, 4.0, seed=10)
        familiarity = head.predict(fresh[:, 0]).familiarity
        for share in (0.05, 0.2, 0.5):
            assert np.mean(familiarity < share) == pytest.approx(share, abs=0.12)
