"""The views that a head learns a training picture from."""

import numpy as np
import pytest

from models.surface_defect.views import (
    ViewPlan,
    coarse_copy,
    faint_copy,
    moved_copy,
    plan_views,
    small_copy,
    training_views,
)


class TestTrainingViews:
    @pytest.mark.parametrize(("plan", "turned"), [(ViewPlan.ALL, 4), (ViewPlan.FEW, 2)])
    def test_turned_views_follow_the_upright_ones(self, plan: ViewPlan, turned: int) -> None:
        image = np.random.default_rng(1).integers(0, 256, (120, 200, 3), dtype=np.uint8)
        views, upright = training_views(image, plan), plan.value
        assert [one.shape[:2] for one in views[:upright]] == [(120, 200)] * upright
        assert [one.shape[:2] for one in views[upright:]] == [(200, 120)] * turned
        np.testing.assert_array_equal(views[0], image)
        np.testing.assert_array_equal(views[upright], np.rot90(image))

    def test_large_files_are_learned_in_fewer_views(self) -> None:
        assert (plan_views(500), plan_views(501)) == (ViewPlan.ALL, ViewPlan.FEW)

    def test_coarse_copy_keeps_the_mean_and_loses_fine_texture(self) -> None:
        image = np.random.default_rng(1).integers(0, 256, (121, 81, 3), dtype=np.uint8)
        coarse = coarse_copy(image)
        assert coarse.shape == image.shape
        assert coarse.mean() == pytest.approx(image.mean(), abs=2)
        assert coarse.std() < image.std() / 2

    def test_faint_copy_keeps_the_mean_and_loses_half_of_the_contrast(self) -> None:
        image = np.random.default_rng(1).integers(0, 256, (50, 60, 3), dtype=np.uint8)
        faint = faint_copy(image)
        assert faint.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)), abs=0.5)
        assert faint.std() == pytest.approx(image.std() / 2, rel=0.02)

    def test_small_copy_loses_what_is_finer_than_a_fifth(self) -> None:
        image = np.zeros((100, 50, 3), dtype=np.uint8)
        image[::5] = 200
        small = small_copy(image)
        assert small.shape == image.shape
        assert np.ptp(small) == 0
        assert small.mean() == pytest.approx(image.mean())

    @pytest.mark.parametrize("shape", [(160, 160), (40, 640), (640, 40)])
    @pytest.mark.parametrize(("degrees", "zoom"), [(6.0, 1.0), (-6.0, 1.0), (0.0, 0.87)])
    def test_moved_copy_shows_the_mirrored_picture_beyond_its_edges(
        self, shape: tuple[int, int], degrees: float, zoom: float
    ) -> None:
        image = np.full((*shape, 3), 90, dtype=np.uint8)
        moved = moved_copy(image, degrees, zoom)
        assert moved.shape == image.shape
        assert (moved == 90).all()

    def test_zoomed_copy_enlarges_the_middle(self) -> None:
        image = np.zeros((100, 100, 3), dtype=np.uint8)
        image[40:60, 40:60] = 255
        assert moved_copy(image, 0.0, 1.5)[..., 0].mean() == pytest.approx(
            1.5**2 * image[..., 0].mean(), rel=0.02
        )

    def test_tilted_copy_turns_the_picture_against_the_clock(self) -> None:
        image = np.zeros((101, 101, 3), dtype=np.uint8)
        image[50] = 255
        tilted = moved_copy(image, 6.0, 1.0)[..., 0]
        assert tilted[:, 90].argmax() < 48 < 52 < tilted[:, 10].argmax()
