"""Tag alignment: the committed artefact compared with its data and recorded metrics.

Tests that need the training data are skipped if it is absent.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from models.tag_align.aligner import ARTEFACT
from models.tag_align.data import (
    BUILDINGS,
    abbreviations,
    building,
    chinese_pairs,
    digests,
    german_pairs,
    point_concepts,
)
from models.tag_align.evaluate import (
    METRICS,
    REPORTED_COUNT,
    Benchmark,
    accuracy_after_confirming,
    variant_figures,
    zero_shot_figures,
)
from models.tag_align.settings import SETTINGS
from models.tag_align.train import build
from models.tag_align.vocabulary import (
    ArtefactBroken,
    ConceptUnknown,
    Scheme,
    Vocabulary,
    read,
    render,
)
from models.training_data import DIRECTORY_VARIABLE, TrainingDataMissing, default_directory

BARS = {"SDH": 0.98, "UVA": 0.85}
# Sums in a different order may swap two candidates with equal scores.
TOLERANCE = 0.005


@pytest.fixture(scope="module")
def directory() -> Path:
    try:
        digests(default_directory())
    except TrainingDataMissing as error:
        pytest.skip(f"needs the training data: {error}")
    return default_directory()


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return read(ARTEFACT)


@pytest.fixture(scope="module")
def bench(directory: Path, vocabulary: Vocabulary) -> Benchmark:
    return Benchmark(vocabulary, {name: building(directory, name) for name in BUILDINGS})


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(METRICS.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def served(metrics: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = metrics["served_with_encoder"]
    return figures


class TestVocabularyArtefact:
    def test_artefact_has_recorded_size_and_concepts(
        self, vocabulary: Vocabulary, metrics: dict[str, Any]
    ) -> None:
        assert ARTEFACT.stat().st_size == metrics["artefact"]["bytes"] < 2_000_000
        assert len(vocabulary.concepts) == metrics["artefact"]["concepts"]
        assert len({one.id for one in vocabulary.concepts}) == len(vocabulary.concepts)
        assert {one.scheme for one in vocabulary.concepts} == set(Scheme)

    def test_artefact_contains_all_abbreviations(self, vocabulary: Vocabulary) -> None:
        assert vocabulary.abbreviations == abbreviations()

    def test_build_reproduces_committed_artefact(self, directory: Path) -> None:
        assert render(build(directory)) == ARTEFACT.read_text(encoding="utf-8")

    def test_unknown_scheme_is_rejected_with_name(self, vocabulary: Vocabulary) -> None:
        with pytest.raises(ConceptUnknown, match="haystack"):
            vocabulary.concepts_in(["haystack"])

    @pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1}', "\x00"])
    def test_invalid_file_is_rejected(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "vocabulary.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ArtefactBroken):
            read(path)


class TestRecordedMetrics:
    def test_metrics_have_digests_of_data(self, directory: Path, metrics: dict[str, Any]) -> None:
        assert metrics["data"] == digests(directory)

    @pytest.mark.parametrize("name", BUILDINGS)
    def test_zero_shot_accuracy_is_reproduced(
        self, bench: Benchmark, metrics: dict[str, Any], name: str
    ) -> None:
        figures, recorded = zero_shot_figures(bench, name), metrics["zero_shot"][name]
        assert figures["top_1"] == pytest.approx(recorded["top_1"], abs=TOLERANCE)
        assert figures["top_5"] == pytest.approx(recorded["top_5"], abs=TOLERANCE)
        assert figures["top_5"] >= 0.9

    @pytest.mark.parametrize("name", BUILDINGS)
    def test_accuracy_after_confirmations_is_reproduced_and_meets_target(
        self, bench: Benchmark, metrics: dict[str, Any], name: str
    ) -> None:
        count, aligner, one = REPORTED_COUNT[name], bench.aligner(), bench.buildings[name]
        share = accuracy_after_confirming(aligner, one, aligner.propose(one.tags, count))
        recorded = metrics["confirmed"][name]["proposed"][str(count)]
        assert share == pytest.approx(recorded, abs=TOLERANCE)
        assert share >= BARS[name]

    def test_variant_size_matches_recorded_size(
        self, bench: Benchmark, metrics: dict[str, Any]
    ) -> None:
        figures = variant_figures(bench)
        assert figures["confirmations"] == 2_000
        assert figures["bytes"] == metrics["variant"]["bytes"] < 1_000_000

    @pytest.mark.parametrize("language", ["german", "chinese"])
    def test_encoder_accuracy_of_foreign_languages_meets_target(
        self, metrics: dict[str, Any], language: str
    ) -> None:
        bar = {"german": 0.70, "chinese": 0.40}[language]
        assert metrics[language]["with_encoder"]["top_1"] >= bar
        assert (
            metrics[language]["with_encoder"]["top_1"]
            > metrics[language]["without_encoder"]["top_1"]
        )


class TestServedMetrics:
    """With the encoder for tags that letters do not settle."""

    def test_metrics_use_the_configured_threshold(self, served: dict[str, Any]) -> None:
        assert served["settled"] == SETTINGS.min_spelling_score

    @pytest.mark.parametrize("name", BUILDINGS)
    def test_encoder_keeps_accuracy_of_building_tags(
        self, served: dict[str, Any], metrics: dict[str, Any], name: str
    ) -> None:
        figures, letters = served["buildings"][name], metrics["zero_shot"][name]
        assert figures["top_1"] == pytest.approx(letters["top_1"], abs=TOLERANCE)
        assert figures["top_5"] == pytest.approx(letters["top_5"], abs=TOLERANCE)
        assert figures["by_meaning"] < 0.1

    @pytest.mark.parametrize(
        ("pairs", "language"),
        [("german", "german"), ("german_other_half", "german"), ("chinese", "chinese")],
    )
    def test_encoder_improves_accuracy_of_foreign_names(
        self,
        served: dict[str, Any],
        metrics: dict[str, Any],
        pairs: str,
        language: str,
    ) -> None:
        letters, always = (
            metrics[language][f"{word}_encoder"]["top_1"] for word in ("without", "with")
        )
        assert letters + 0.2 < served[pairs]["top_1"] <= always + 0.01

    def test_alignment_of_building_tag_takes_under_1_ms(self, served: dict[str, Any]) -> None:
        assert served["milliseconds_a_tag"]["SDH"]["p50"] < 1


class TestTagAlignmentData:
    def test_translation_pairs_differ_ignoring_case(self, directory: Path) -> None:
        for pairs in (german_pairs(directory), chinese_pairs(directory)):
            folded = {
                (term.casefold(), name.casefold())
                for term, name in zip(pairs.terms, pairs.names, strict=True)
            }
            assert len(folded) == len(pairs.terms)
            assert all(term != name for term, name in folded)

    def test_missing_data_raises_training_data_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingDataMissing, match=DIRECTORY_VARIABLE):
            point_concepts(tmp_path)

    def test_data_directory_is_read_from_environment(self, tmp_path: Path) -> None:
        assert default_directory({DIRECTORY_VARIABLE: str(tmp_path)}) == tmp_path
        assert default_directory({}).parts[-2:] == ("shared", "data")
