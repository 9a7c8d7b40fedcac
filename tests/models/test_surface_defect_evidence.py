"""Heat maps and boxes: they add up to the log-odds, and cover a planted defect."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.surface_defect.adapt import SurfaceAdapter
from models.surface_defect.backbone import Backbone, open_backbone
from models.surface_defect.conversion import BackboneMissing, convert, packaged_weights
from models.surface_defect.data import LABELS as STEEL
from models.surface_defect.data import load as load_steel
from models.surface_defect.evidence import GRID, find_evidence
from models.surface_defect.head import Head, load
from models.surface_defect.picture import resize
from models.training_data import TrainingDataMissing, default_directory
from tests.support.models.made_up_surfaces import (
    LABELS,
    Grey,
    base64_of,
    file_of,
    lines,
    surface,
    training_file,
    write_backbone,
)
from tests.support.nightly import at_length, nightly

SIDE = 160
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
PLACES = ((0.25, 0.25), (0.25, 0.75), (0.5, 0.5), (0.75, 0.3), (0.7, 0.8))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "made_up.onnx")


@pytest.fixture(scope="module")
def real_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("backbone") / "backbone.onnx"
    try:
        convert(packaged_weights(), target)
    except BackboneMissing as error:
        pytest.skip(f"needs the backbone's weights: {error}")
    return target


def head_of(path: Path, file: bytes) -> tuple[Head, Backbone]:
    backbone = open_backbone(path)
    artefact = SurfaceAdapter(path)(file, lambda told: None).artefact
    return load(artefact, backbone.identity, backbone.width), backbone


def scratched(seed: int, row: float, column: float) -> Grey:
    """A rough surface with short scratches around a place, in shares of height and width."""
    grey = surface("rough", seed, SIDE, SIDE).astype(np.float64)
    generator = np.random.default_rng(seed)
    for _ in range(4):
        top, left = (int(SIDE * at + generator.integers(-8, 8)) for at in (row, column))
        for step in range(-9, 9):
            at = np.clip([top + step, left + step // 2], 0, SIDE - 2)
            grey[at[0] : at[0] + 2, at[1] : at[1] + 2] = 250
    return grey.astype(np.uint8)


def scratches_file(each: int = 8) -> bytes:
    """A training file of good surfaces, and of ones with scratches in random places."""
    places = np.random.default_rng(5).uniform(0.15, 0.85, size=(each, 2))
    good = [surface("rough", 100 + at, SIDE, SIDE) for at in range(each)]
    bad = [scratched(200 + at, *place) for at, place in enumerate(places)]
    labelled = [("good", one) for one in good] + [("scratch", one) for one in bad]
    return training_file(
        *({"image": base64_of(file_of(grey)), "label": label} for label, grey in labelled)
    )


class TestHeatmap:
    @pytest.mark.parametrize(
        ("height", "width"), at_length([(96, 120), (40, 300), (160, 160)], [(40, 300)])
    )
    def test_mean_of_cells_is_log_odds_against_the_other_labels(
        self, path: Path, height: int, width: int
    ) -> None:
        head, backbone = head_of(path, training_file(*lines(6)))
        picture = resize(Image.fromarray(surface("pitted", 70, height, width)))
        examined = backbone.examine(picture)
        distances = head.discriminant.class_distances(
            head.discriminant.standardise(examined.features[np.newaxis])
        )[0]
        for label in range(len(LABELS)):
            others = np.delete(distances, label)
            expected = (np.mean(others**2) - distances[label] ** 2) / (2 * head.temperature)
            evidence = find_evidence(head, examined, label)
            assert evidence.heatmap.shape == (GRID, GRID)
            assert evidence.heatmap.mean() == pytest.approx(expected, rel=1e-3, abs=1e-3)

    def test_uniform_picture_has_box_within_the_picture(self, path: Path) -> None:
        head, backbone = head_of(path, training_file(*lines(6)))
        examined = backbone.examine(np.full((160, 160, 3), 128, np.uint8))
        for label in range(len(LABELS)):
            left, top, right, bottom = find_evidence(head, examined, label).box
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1


class TestPlantedDefect:
    @nightly
    def test_strongest_region_covers_planted_scratches(self, real_path: Path) -> None:
        head, backbone = head_of(real_path, scratches_file())
        scratch = head.labels.index("scratch")
        for seed, (row, column) in enumerate(PLACES, 300):
            examined = backbone.examine(resize(Image.fromarray(scratched(seed, row, column))))
            probabilities = head.predict(examined.features[np.newaxis]).probabilities
            assert probabilities.argmax() == scratch
            evidence = find_evidence(head, examined, scratch)
            strongest = np.argwhere(evidence.heatmap == evidence.heatmap.max())[0]
            middle = (strongest + 0.5) / GRID
            assert np.abs(middle - (row, column)).max() <= 0.15
            left, top, right, bottom = evidence.box
            assert left <= column <= right
            assert top <= row <= bottom
            assert (right - left) * (bottom - top) < 0.5


class TestSteelImages:
    def test_quarter_with_scratches_is_strongest_among_others(self, real_path: Path) -> None:
        try:
            steel = load_steel(default_directory())
        except TrainingDataMissing as error:
            pytest.skip(f"needs the training data: {error}")
        numbers = {name: steel.truth == at for at, name in enumerate(STEEL)}
        scale, scratches = (
            steel.grey[numbers[name]][-60:] for name in ("rolled-in_scale", "scratches")
        )
        given = [
            {"image": base64_of(file_of(grey)), "label": label}
            for label, greys in (("scale", scale), ("scratches", scratches))
            for grey in greys[:12]
        ]
        head, backbone = head_of(real_path, training_file(*given))
        found = 0
        for number, (row, column) in enumerate(CORNERS * 3, 20):
            quarters = [[scale[number], scale[number + 12]], [scale[number + 24], scale[-1]]]
            quarters[row][column] = scratches[number]
            examined = backbone.examine(resize(Image.fromarray(np.block(quarters))))
            heatmap = find_evidence(head, examined, head.labels.index("scratches")).heatmap
            at = np.argwhere(heatmap == heatmap.max())[0] // (GRID // 2)
            found += tuple(at) == (row, column)
        assert found >= 10
