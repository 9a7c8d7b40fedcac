"""Path-style tags of three buildings, and the comparison of a variant with its base.

Tests that need the training data are skipped if it is absent.
"""

import pytest

from models.adaptation import Score
from models.tag_align.aligner import TagAligner
from models.tag_align.comparing import compare_held_out, improvement
from models.tag_align.confirmations import Confirmation, parse_variant
from models.tag_align.evaluate_paths import (
    PathBenchmark,
    accuracy_after,
    load_benchmark,
    zero_shot_figures,
)
from models.tag_align.own_concepts import OwnConceptsInvalid, parse_own_concepts
from models.tag_align.path_data import PATH_BUILDINGS
from models.training_data import TrainingDataMissing, default_directory

# The targets: means over the buildings.
ZERO_SHOT_TOP_1, ZERO_SHOT_TOP_5, AFTER_50, AFTER_100 = 0.45, 0.70, 0.85, 0.90
OWN = '[{"id": "RT", "name": "Room temperature"}, {"id": "SAT", "name": "Supply air temperature"}]'


@pytest.fixture(scope="module")
def bench() -> PathBenchmark:
    try:
        return load_benchmark(default_directory())
    except TrainingDataMissing as error:
        pytest.skip(f"needs the training data: {error}")


class TestPathAccuracy:
    def test_zero_shot_accuracy_meets_target(self, bench: PathBenchmark) -> None:
        figures = [zero_shot_figures(bench, name) for name in PATH_BUILDINGS]
        assert sum(each["top_1"] for each in figures) / len(figures) >= ZERO_SHOT_TOP_1
        assert sum(each["top_5"] for each in figures) / len(figures) >= ZERO_SHOT_TOP_5

    def test_accuracy_after_proposed_confirmations_meets_target(self, bench: PathBenchmark) -> None:
        shares: dict[int, list[float]] = {50: [], 100: []}
        for name in PATH_BUILDINGS:
            aligner, truth = bench.aligner(name), bench.truth(name)
            proposed = aligner.propose(list(truth), max(shares))
            for count, of_buildings in shares.items():
                of_buildings.append(accuracy_after(aligner, truth, proposed[:count]))
        means = {count: sum(each) / len(each) for count, each in shares.items()}
        assert means[50] >= AFTER_50
        assert means[100] >= AFTER_100


class TestImprovementInterval:
    def test_few_differences_decide_nothing(self) -> None:
        low, high = improvement(0, 5, 40)
        assert low < 0 < high

    def test_many_worse_patterns_are_worse(self) -> None:
        assert improvement(0, 11, 40)[1] < 0
        assert improvement(1, 14, 40)[1] < 0

    def test_no_difference_gives_empty_interval(self) -> None:
        assert improvement(0, 0, 40) == (0, 0)

    def test_score_with_interval_is_worse_only_below_zero(self) -> None:
        by_chance = Score("share", 0.9, 0.8, True, improvement=(-0.2, 0.1))
        certain = Score("share", 0.9, 0.95, True, improvement=(-0.2, -0.1))
        assert (by_chance.worse, certain.worse) == (False, True)
        assert Score("share", 0.9, 0.8, True).worse

    def test_each_tag_is_held_out_once(self) -> None:
        aligner = TagAligner.load()
        concept = aligner.names.concepts[0].id
        confirmations = [
            Confirmation(f"{word} {number}", concept)
            for word in ("alpha", "bravo", "delta", "gamma", "omega", "sigma")
            for number in (1, 2)
        ]
        assert compare_held_out(aligner, confirmations).tags == len(confirmations)


class TestOwnConcepts:
    def test_tags_are_aligned_with_own_concepts(self) -> None:
        own = TagAligner.load().over(parse_own_concepts(OWN))
        aligned = own.align(["R12 Raumtemperatur", "AHU1_SAT"], 1)
        assert [each[0].concept.id for each in aligned] == ["RT", "SAT"]

    def test_variant_contains_own_concepts(self) -> None:
        base = TagAligner.load()
        learned = base.over(parse_own_concepts(OWN)).learn([Confirmation("QX 1", "RT")]).aligner
        again = base.with_variant(learned.variant())
        assert again.align(["QX 7"], 1)[0][0].concept.id == "RT"
        assert [one.id for one in parse_variant(learned.variant()).concepts] == ["RT", "SAT"]

    @pytest.mark.parametrize(
        ("text", "fact"),
        [
            ("{", "JSON"),
            ("[]", "0 concepts"),
            ('[{"id": "a", "name": "x1"}, {"id": "a", "name": "y"}]', "twice"),
            ('[{"id": "a", "name": "--"}]', "no word"),
            ('[{"id": "", "name": "x"}]', "empty"),
            ('[{"id": "a", "name": "x", "unit": "K"}]', "unit"),
        ],
    )
    def test_invalid_concepts_are_rejected_with_reason(self, text: str, fact: str) -> None:
        with pytest.raises(OwnConceptsInvalid, match=fact):
            parse_own_concepts(text)
