"""Evaluate path-style tags of three buildings: `python -m models.tag_align.evaluate_paths`.

Nothing is learned from a building before it is evaluated: the settings that its figures are with
are those that are best for the other two. The command prints the figures;
`python -m models.tag_align.evaluate` records them.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from models.tag_align.aligner import ARTEFACT, TagAligner
from models.tag_align.comparing import compare_held_out
from models.tag_align.confirmations import Confirmation
from models.tag_align.kinds import KindFactors
from models.tag_align.path_data import PATH_BUILDINGS, PathBuilding, path_building
from models.tag_align.settings import SETTINGS, Settings
from models.tag_align.vocabulary import Vocabulary, read
from models.training_data import TrainingDataMissing, default_directory

CONFIRMATION_COUNTS = (10, 25, 50, 100)
DRAWS, CONFIRMATIONS_PER_DRAW = 20, 30
TIMED_TAGS = 2_000
TOP = 5
DIGITS = 4

GRID = tuple(
    replace(
        SETTINGS,
        path_weights=replace(SETTINGS.path_weights, parent=parent, implied=implied),
        kind_factors=KindFactors(0.4, other_kind, unsaid_kind),
    )
    for parent in (0.1, 0.2, 0.3)
    for implied in (0.3, 0.5)
    for other_kind, unsaid_kind in ((0.8, 0.9), (0.9, 0.9), (0.9, 0.95))
)

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PathBenchmark:
    """The buildings with path-style tags, and the shipped vocabulary."""

    vocabulary: Vocabulary
    buildings: Mapping[str, PathBuilding]

    def aligner(self, name: str, settings: Settings = SETTINGS) -> TagAligner:
        """Build an aligner over the concepts that a building's points can have."""
        concepts = self.buildings[name].vocabulary(self.vocabulary)
        return TagAligner.from_concepts(concepts, self.vocabulary, settings=settings)

    def truth(self, name: str) -> Mapping[str, str]:
        """Return the concept of each tag of a building."""
        return self.buildings[name].concept_by_tag


def load_benchmark(directory: Path, artefact: Path = ARTEFACT) -> PathBenchmark:
    """Load the buildings and the vocabulary. Raises TrainingDataMissing."""
    buildings = {name: path_building(directory, name) for name in PATH_BUILDINGS}
    return PathBenchmark(read(artefact), buildings)


def path_figures(bench: PathBenchmark) -> Figures:
    """Return all figures of path-style tags, ready for JSON."""
    zero_shot = {name: zero_shot_figures(bench, name) for name in PATH_BUILDINGS}
    confirmed = {name: confirmed_figures(bench, name) for name in PATH_BUILDINGS}
    return {
        "zero_shot": zero_shot,
        "zero_shot_mean": _mean_figures(zero_shot),
        "settings_chosen_on_the_other_buildings": cross_building_figures(bench),
        "confirmed": confirmed,
        "confirmed_mean": _mean_figures(confirmed),
        "draws": {name: draw_figures(bench, name) for name in PATH_BUILDINGS},
        "seconds_for_2000_tags": seconds_for_tags(bench),
    }


def zero_shot_figures(bench: PathBenchmark, name: str, settings: Settings = SETTINGS) -> Figures:
    """Return top-1 and top-5 accuracy on a building without any confirmation."""
    truth = bench.truth(name)
    aligned = bench.aligner(name, settings).align(list(truth), TOP)
    ids = [[candidate.concept.id for candidate in candidates] for candidates in aligned]
    pairs = list(zip(ids, truth.values(), strict=True))
    return {
        "points": len(truth),
        "top_1": _round(statistics.mean(ranked[:1] == [concept] for ranked, concept in pairs)),
        "top_5": _round(statistics.mean(concept in ranked for ranked, concept in pairs)),
    }


def cross_building_figures(bench: PathBenchmark) -> Figures:
    """Return each building's accuracy with the settings that are best for the other two."""
    figures = {
        name: [zero_shot_figures(bench, name, settings) for settings in GRID]
        for name in PATH_BUILDINGS
    }
    chosen = {}
    for name in PATH_BUILDINGS:
        others = [figures[other] for other in PATH_BUILDINGS if other != name]
        best = max(range(len(GRID)), key=lambda at: sum(other[at]["top_1"] for other in others))
        chosen[name] = figures[name][best]
    return {**chosen, "mean": _mean_figures(chosen)}


def confirmed_figures(bench: PathBenchmark, name: str) -> Figures:
    """Return the accuracy on the tags of a building that are not among the confirmed ones."""
    aligner, truth = bench.aligner(name), bench.truth(name)
    proposed = aligner.propose(list(truth), max(CONFIRMATION_COUNTS))
    return {
        str(count): _round(accuracy_after(aligner, truth, proposed[:count]))
        for count in CONFIRMATION_COUNTS
    }


def accuracy_after(
    aligner: TagAligner, truth: Mapping[str, str], confirmed: Sequence[str]
) -> float:
    """Return the accuracy on the other tags after `confirmed` ones are confirmed."""
    learned = aligner.learn(Confirmation(tag, truth[tag]) for tag in confirmed).aligner
    known = set(confirmed)
    return _accuracy(learned, {tag: one for tag, one in truth.items() if tag not in known})


def draw_figures(bench: PathBenchmark, name: str) -> Figures:
    """Return how often a version that is better is rejected, for random parts of a building.

    Each draw confirms the tags that are proposed of a random half, and measures on the other half
    whether the version is better. `lower_score` counts the better versions whose share of correct
    held-out tags is lower than the base's: a comparison without an interval would reject those.
    """
    aligner, truth = bench.aligner(name), bench.truth(name)
    better = rejected = lower = 0
    for seed in range(DRAWS):
        tags = list(truth)
        Random(seed).shuffle(tags)  # noqa: S311
        half = tags[: len(tags) // 2]
        confirmations = [
            Confirmation(tag, truth[tag]) for tag in aligner.propose(half, CONFIRMATIONS_PER_DRAW)
        ]
        rest = {tag: truth[tag] for tag in tags[len(half) :]}
        if _accuracy(aligner.learn(confirmations).aligner, rest) <= _accuracy(aligner, rest):
            continue
        comparison = compare_held_out(aligner, confirmations)
        better += 1
        rejected += comparison.improvement[1] < 0
        lower += comparison.variant < comparison.base
    return {"draws": DRAWS, "better": better, "rejected": rejected, "lower_score": lower}


def seconds_for_tags(bench: PathBenchmark) -> float:
    """Return the time to load an aligner of Brick and to align TIMED_TAGS different tags."""
    tags = [tag for name in PATH_BUILDINGS for tag in bench.truth(name)][:TIMED_TAGS]
    started = time.perf_counter()
    bench.aligner("Soda").align(tags)
    return _round(time.perf_counter() - started)


def _accuracy(aligner: TagAligner, truth: Mapping[str, str]) -> float:
    """Return the share of tags whose first candidate is the true concept."""
    aligned = aligner.align(list(truth), top=1)
    return statistics.mean(
        bool(candidates) and candidates[0].concept.id == concept
        for candidates, concept in zip(aligned, truth.values(), strict=True)
    )


def _mean_figures(by_building: Mapping[str, Figures]) -> Figures:
    """Return the mean of each figure over the buildings."""
    names = next(iter(by_building.values()))
    return {
        name: _round(statistics.mean(figures[name] for figures in by_building.values()))
        for name in names
        if name != "points"
    }


def _round(value: float) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures of path-style tags."""
    parser = argparse.ArgumentParser(description="Evaluate the alignment of path-style tags.")
    parser.add_argument(
        "--data", type=Path, default=default_directory(), help="directory of the training sets"
    )
    options = parser.parse_args(arguments)
    try:
        figures = path_figures(load_benchmark(options.data))
    except TrainingDataMissing as error:
        parser.error(str(error))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
