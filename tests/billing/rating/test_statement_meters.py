"""Statements of images and fine-tuning seconds: worked examples."""

import pytest

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price
from billing.rating.quantities import Quantities
from billing.rating.statement import ModelUsage
from billing.rating.terms import ANY_MODEL, Allowance
from tests.billing.rating.statements import FEN, TIERS, minors, plan

# A picture costs 2.5 fen, a minute of adaptation 60 fen.
EYE: dict[str, Price] = {
    "eye:images": PerUnit(25_000_000),
    "eye:adaptation_seconds": PerUnit(FEN),
}


class TestImageAndFineTuningLines:
    @pytest.mark.parametrize(
        ("images", "seconds", "included", "expected"),
        [
            (3, 90, 0, [8, 90]),  # 7.5 fen are 8
            (1, 0, 0, [3]),
            (0, 1, 0, [1]),
            (1000, 3661, 600, [2500, 3061]),
            (1000, 600, 600, [2500, 0]),
            (1000, 601, 600, [2500, 1]),
        ],
    )
    def test_images_and_seconds_are_rated_per_unit(
        self, images: int, seconds: int, included: int, expected: list[int]
    ) -> None:
        allowances = (Allowance("eye", "adaptation_seconds", included),) if included else ()
        terms = plan(EYE, allowances=allowances)
        consumed = ModelUsage("eye", Quantities(images=images, adaptation_seconds=seconds))
        assert minors(terms, consumed) == expected

    @pytest.mark.parametrize(
        ("seconds", "minor"), [(1, 60), (60, 60), (61, 120), (3600, 3600), (3601, 3660)]
    )
    def test_started_minutes_are_charged_in_full(self, seconds: int, minor: int) -> None:
        terms = plan({"eye:adaptation_seconds": Package(60, 60 * FEN)})
        assert minors(terms, ModelUsage("eye", Quantities(adaptation_seconds=seconds))) == [minor]

    def test_graduated_image_tiers_continue_with_late_images(self) -> None:
        """10 images at 5 and 2 at 3, then 3 late images at 3."""
        terms = plan({"eye:images": Graduated(TIERS)})
        consumed = ModelUsage("eye", Quantities(images=12), Quantities(images=3))
        assert minors(terms, consumed) == [56, 9]

    def test_general_image_allowance_covers_all_models_and_no_other_meter(self) -> None:
        terms = plan(
            {"eye:images": PerUnit(3 * FEN), "ear:images": PerUnit(5 * FEN), "eye": PerUnit(FEN)},
            allowances=(Allowance(ANY_MODEL, "images", 10),),
        )
        consumed = [
            ModelUsage("eye", Quantities(rows=4, images=8)),
            ModelUsage("ear", Quantities(images=6)),
        ]
        # All 6 of the dearer ear, then 4 of the 8 of the eye.
        assert minors(terms, *consumed) == [4 * 3, 0, 4]
