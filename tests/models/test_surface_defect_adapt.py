"""Fine-tuning on labelled images: results, progress and validation of the training file."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.surface_defect import adapt, labelled_pictures, views
from models.surface_defect.adapt import METRIC, SurfaceAdapter
from models.surface_defect.backbone import BackboneBroken, open_backbone
from models.surface_defect.labelled_pictures import read_training_file
from models.surface_defect.variant import load
from tests.support.models.made_up_surfaces import (
    LABELS,
    base64_of,
    file_of,
    line,
    lines,
    surface,
    training_file,
    write_backbone,
)
from tests.support.nightly import at_length, nightly

Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> SurfaceAdapter:
    return SurfaceAdapter(write_backbone(tmp_path_factory.mktemp("backbone") / "made_up.onnx"))


def adapted(adapter: SurfaceAdapter, *given: dict[str, Any]) -> tuple[Adaptation, list[str]]:
    told: list[str] = []
    return adapter(training_file(*given), told.append), told


def refused(*given: dict[str, Any]) -> str:
    with pytest.raises(TrainingFileInvalid) as caught:
        read_training_file(training_file(*given))
    return caught.value.message


class TestSurfaceFineTuning:
    def test_score_and_progress_are_reported(self, adapter: SurfaceAdapter) -> None:
        adaptation, told = adapted(adapter, *lines(6))
        assert adaptation.score.metric == METRIC
        assert adaptation.score.base is None
        assert adaptation.score.adapted == 1
        assert adaptation.score.higher_is_better
        assert (adaptation.examples, adaptation.held_out) == (18, 18)
        assert told == [
            "Read 18 different images with 3 labels.",
            "Accuracy on held-out images: 100.0%.",
        ]

    @pytest.mark.parametrize("most_with_all_views", at_length([500, 10], [10]))
    def test_variant_classifies_unseen_images(
        self,
        adapter: SurfaceAdapter,
        monkeypatch: pytest.MonkeyPatch,
        most_with_all_views: int,
    ) -> None:
        monkeypatch.setattr(views, "_MOST_WITH_ALL_VIEWS", most_with_all_views)
        adaptation, _ = adapted(adapter, *lines(10))
        variant = load(adaptation.artefact, open_backbone(adapter.backbone))
        asked = [line(label, seed) for label in LABELS for seed in range(50, 60)]
        images = np.array([one["image"] for one in asked], dtype=object)
        right = variant.run({"image": images})["label"] == [one["label"] for one in asked]
        assert np.mean(right) >= 0.95  # the toy backbone cannot tell every turned image

    @nightly
    def test_fine_tuning_is_deterministic(self, adapter: SurfaceAdapter) -> None:
        first, second = (adapted(adapter, *lines(5))[0] for _ in range(2))
        assert first == second

    def test_adapter_can_be_pickled(self, adapter: SurfaceAdapter) -> None:
        there = pickle.loads(pickle.dumps(adapter))
        assert adapted(there, *lines(5))[0] == adapted(adapter, *lines(5))[0]

    def test_suspicious_labels_are_reported_with_lines(self, adapter: SurfaceAdapter) -> None:
        given = lines(12)
        given[3]["label"], given[30]["label"] = "pitted", "brushed"
        adaptation, told = adapted(adapter, *given)
        assert adaptation.score.adapted < 1
        assert told[-1].startswith("Check these images, whose labels look wrong:")
        assert {"line 4 (brushed)", "line 31 (rough)"} <= set(
            told[-1].rstrip(".").split(": ")[1].split(", ")
        )

    @nightly
    def test_random_labels_are_rejected(self, adapter: SurfaceAdapter) -> None:
        given = [{**line("rough", seed), "label": LABELS[seed % 3]} for seed in range(30)]
        with pytest.raises(TrainingFileInvalid, match=r"guessing gives 33\.3%"):
            adapted(adapter, *given)

    @nightly
    def test_rare_label_counts_as_much_as_frequent_label(self, adapter: SurfaceAdapter) -> None:
        """Always predicting the frequent label is right for five of six held-out images."""
        rare = [{**line("rough", seed), "label": "rare"} for seed in range(5)]
        given = [line("rough", seed) for seed in range(100, 125)] + rare
        with pytest.raises(TrainingFileInvalid, match="cannot be predicted"):
            adapted(adapter, *given)

    def test_progress_is_reported_at_intervals(
        self, adapter: SurfaceAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapt, "_PROGRESS_INTERVAL", 10)
        _, told = adapted(adapter, *lines(7))
        assert told[1:3] == [
            "Processed 10 of 21 images.",
            "Processed 20 of 21 images.",
        ]

    def test_invalid_backbone_file_is_rejected(self, tmp_path: Path) -> None:
        path = tmp_path / "backbone.onnx"
        path.write_bytes(b"none")
        with pytest.raises(BackboneBroken):
            adapted(SurfaceAdapter(path), *lines(5))


class TestDuplicateImages:
    @nightly
    def test_duplicate_image_counts_once(self, adapter: SurfaceAdapter) -> None:
        once, again = lines(5), lines(5)
        adaptation, told = adapted(adapter, *once, *again)
        assert adaptation == adapted(adapter, *once)[0]
        assert told[0] == "Read 15 different images with 3 labels."

    def test_same_pixels_in_other_format_are_duplicates(self) -> None:
        grey = surface("rough", 0)
        bitmap = {"image": base64_of(file_of(grey, "BMP")), "label": "rough"}
        assert len(read_training_file(training_file(*lines(5), bitmap)).pictures) == 15

    def test_duplicate_with_other_label_is_rejected(self) -> None:
        twin = {**line("rough", 2), "label": "pitted"}
        assert refused(*lines(5), twin) == (
            "Line 16: the image is the same as in line 13, "
            "but its label is 'pitted' instead of 'rough'."
        )

    def test_duplicates_do_not_reach_minimum_image_count(self) -> None:
        given = [*lines(5)[:10], *[line("rough", 1)] * 5]
        assert "'rough', first in line 11, has 1 different images" in refused(*given)


class TestTrainingFileValidation:
    @pytest.mark.parametrize(
        ("image", "said"),
        [
            pytest.param("no base64!", "'image' is not the base64 of", id="no base64"),
            pytest.param("", "'image' is empty", id="empty"),
            pytest.param(
                base64_of(b"a,b\n"),
                "'image' is not an image in one of the formats PNG",
                id="not an image",
            ),
            pytest.param(
                base64_of(file_of(surface("rough", 9))[:900]), "'image' is damaged", id="cut off"
            ),
            pytest.param(
                base64_of(file_of(np.zeros((1, 1), np.uint8))), "'image' has 1 × 1", id="a dot"
            ),
        ],
    )
    def test_invalid_image_is_rejected_with_line(self, image: str, said: str) -> None:
        given = lines(5)
        given[6]["image"] = image
        assert refused(*given).startswith(f"Line 7: {said}")

    @pytest.mark.parametrize("label", ["", "  ", "a" * 101, "a\nb", "\u200b"])
    def test_invalid_label_is_rejected_with_line(self, label: str) -> None:
        given = lines(5)
        given[3]["label"] = label
        assert refused(*given).startswith("Line 4: 'label' must have 1 to 100 printable characters")

    def test_spaces_around_label_are_ignored(self) -> None:
        given = lines(5)
        given[3]["label"] = " brushed "
        read = read_training_file(training_file(*given))
        assert {one.label for one in read.pictures} == set(LABELS)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda one: {"label": one["label"]}, id="no image"),
            pytest.param(lambda one: {"image": one["image"]}, id="no label"),
            pytest.param(lambda one: {**one, "lable": "rough"}, id="a slip of the pen"),
            pytest.param(lambda one: {**one, "label": 3}, id="a number"),
            pytest.param(lambda one: {**one, "image": [1, 2]}, id="a list"),
        ],
    )
    def test_line_of_other_format_is_rejected(self, change: Change) -> None:
        given = lines(5)
        given[1] = change(given[1])
        assert refused(*given).startswith("Line 2: ")

    def test_single_label_is_rejected(self) -> None:
        assert (
            refused(*lines(5)[:5])
            == "There are images with 1 labels; at least 2 labels are needed."
        )

    def test_empty_file_is_rejected(self) -> None:
        assert refused() == "The training file has no lines."

    def test_label_with_too_few_images_is_rejected(self) -> None:
        assert refused(*lines(5)[:-1]) == (
            "The label 'rough', first in line 11, has 4 different images; at least 5 are needed."
        )

    def test_too_many_labels_are_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(labelled_pictures, "MAX_CLASSES", 2)
        assert refused(*lines(5)) == "There are 3 labels; at most 2 are allowed."

    def test_too_many_images_are_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(labelled_pictures, "MAX_PICTURES", 8)
        assert refused(*lines(5)) == "There are 15 images; at most 8 are allowed."
