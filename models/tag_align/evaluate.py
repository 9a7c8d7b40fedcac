"""Measure and record: `python -m models.tag_align.evaluate`.

Owns `metrics.json`: what the committed artefact does, first without and then with confirmations,
on two buildings and two languages. Changes neither the artefact (train.py) nor the method.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from models.multilingual import EncoderMissing, load_encoder
from models.tag_align.aligner import (
    ARTEFACT,
    NEVER_SETTLED,
    SETTINGS,
    Basis,
    Settings,
    TagAligner,
)
from models.tag_align.confirmations import Confirmation
from models.tag_align.data import (
    BUILDINGS,
    Building,
    TermPairs,
    building,
    chinese_pairs,
    digests,
    german_pairs,
)
from models.tag_align.encoder import Encoder
from models.tag_align.features import Weighting
from models.tag_align.vectors import knowing
from models.tag_align.vocabulary import Concept, Scheme, Vocabulary, read
from models.training_data import TrainingDataMissing, record_metrics

METRICS = Path(__file__).with_name("metrics.json")
COUNTS = {"SDH": (10, 25, 50, 100), "UVA": (25, 50, 100, 200)}
BAR_COUNT = {"SDH": 50, "UVA": 100}
RANDOM_CHOICES = 3
KEPT = 2_000
TIMED = 300
TOP = 5
SHORT_TERM = 40
DIGITS = 4
# The score that settles a tag was chosen on one half of the German pairs and judged on the other.
ORDER = 1
CHOSEN_ON, OTHER_HALF = slice(0, None, 2), slice(1, None, 2)

# Compared with one another on one building, the best reported on the other.
GRID = tuple(
    Settings(naming, likeness, ridge)
    for naming in (Weighting(3.0, 0.0, 0.3, 3, 5), Weighting(1.0, 0.0, 1.0, 3, 5))
    for likeness in (
        Weighting(1.0, 1.0, 0.3, 2, 4),
        Weighting(1.0, 1.0, 1.0, 2, 4),
        Weighting(3.0, 3.0, 0.3, 3, 5),
    )
    for ridge in (0.03, 0.1, 0.3)
)

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """The artefact, the buildings and how the two are brought together."""

    vocabulary: Vocabulary
    buildings: dict[str, Building]

    def aligner(self, settings: Settings = SETTINGS) -> TagAligner:
        concepts = self.vocabulary.of([Scheme.BUILDING_POINT])
        return TagAligner.over(concepts, self.vocabulary, settings=settings)

    def plain(self) -> "Bench":
        """Without the lexicon, which may suit a building because its author has seen it."""
        return replace(self, vocabulary=replace(self.vocabulary, abbreviations=()))


def evaluate(directory: Path, artefact: Path, encoder: Encoder | None) -> Figures:
    """Every figure of the model card, ready for JSON. Raises TrainingDataMissing."""
    vocabulary = read(artefact)
    bench = Bench(vocabulary, {name: building(directory, name) for name in BUILDINGS})
    german, chinese = german_pairs(directory), chinese_pairs(directory)
    # What is measured several times is encoded once.
    recalling = None if encoder is None else knowing(encoder)
    figures = {
        "data": digests(directory),
        "artefact": {"bytes": artefact.stat().st_size, "concepts": len(vocabulary.concepts)},
        "zero_shot": {name: zero_shot(bench, name) for name in BUILDINGS},
        "confirmed": {name: confirmed(bench, name) for name in BUILDINGS},
        "settings_chosen_on_the_other_building": chosen_on_the_other(bench),
        "german": languages(german, vocabulary, recalling),
        "chinese": languages(chinese, vocabulary, recalling),
        "variant": variant(bench),
        "milliseconds_a_tag": latency(bench),
    }
    if encoder is not None and recalling is not None:
        figures["served_with_encoder"] = {
            "settled": SETTINGS.settled,
            "buildings": {name: read_by(bench, name, recalling) for name in BUILDINGS},
            "german": served(german, vocabulary, recalling),
            "german_other_half": served(german, vocabulary, recalling, OTHER_HALF),
            "chinese": served(chinese, vocabulary, recalling),
            "milliseconds_a_tag": served_latency(bench, german, chinese, encoder),
        }
    return figures


def zero_shot(bench: Bench, name: str) -> Figures:
    """With no confirmation."""
    one = bench.buildings[name]
    return {
        "points": len(one.tags),
        **_right(bench.aligner(), one.tags, one.concepts),
        "without_lexicon": _right(bench.plain().aligner(), one.tags, one.concepts),
    }


def confirmed(bench: Bench, name: str) -> Figures:
    """Share of the points that were not confirmed which come out right, by how many were."""
    one, aligner = bench.buildings[name], bench.aligner()
    chosen = aligner.propose(one.tags, max(COUNTS[name]))
    proposed = {count: after(aligner, one, chosen[:count]) for count in COUNTS[name]}
    return {
        "proposed": {str(count): _rounded(share) for count, share in proposed.items()},
        "without_lexicon": {str(BAR_COUNT[name]): _rounded(_reached(bench.plain(), name))},
        "at_random": {str(count): _random(aligner, one, count) for count in COUNTS[name]},
    }


def after(aligner: TagAligner, one: Building, chosen: Sequence[str]) -> float:
    """Share of the remaining points right after the true concepts of `chosen` are confirmed."""
    truth = dict(zip(one.tags, one.concepts, strict=True))
    learned = aligner.learn(Confirmation(tag, truth[tag]) for tag in chosen).aligner
    rest = [tag for tag in one.tags if tag not in set(chosen)]
    right = _right(learned, rest, [truth[tag] for tag in rest])
    return right["top_1"]


def chosen_on_the_other(bench: Bench) -> Figures:
    """For each building, what the settings that are best on the other one reach."""
    reached = {name: [_reached(bench, name, settings) for settings in GRID] for name in BUILDINGS}
    figures = {}
    for name, other in zip(BUILDINGS, reversed(BUILDINGS), strict=True):
        best = max(range(len(GRID)), key=lambda at: reached[other][at])
        figures[name] = {
            "confirmations": BAR_COUNT[name],
            "right": _rounded(reached[name][best]),
            "worst_settings": _rounded(min(reached[name])),
            "best_settings": _rounded(max(reached[name])),
        }
    return figures


def languages(pairs: TermPairs, vocabulary: Vocabulary, encoder: Encoder | None) -> Figures:
    """Foreign terms to English names, among the names of all the pairs."""
    concepts, truth = _as_concepts(pairs)
    letters = TagAligner.over(concepts, vocabulary)
    figures: Figures = {"terms": len(pairs.terms), "names": len(concepts)}
    figures["short_terms"] = sum(len(term) <= SHORT_TERM for term in pairs.terms)
    figures["without_encoder"] = _by_length(letters, pairs.terms, truth)
    if encoder is not None:
        always = replace(SETTINGS, settled=NEVER_SETTLED)
        with_encoder = TagAligner.over(concepts, vocabulary, encoder, always)
        figures["with_encoder"] = _by_length(with_encoder, pairs.terms, truth)
    return figures


def read_by(bench: Bench, name: str, encoder: Encoder) -> Figures:
    """A building's tags as they are served where the encoder is installed; of the answers with
    Brick's classes, which have no truth, how many are by meaning."""
    one, vocabulary = bench.buildings[name], bench.vocabulary
    points, brick = (
        TagAligner.over(vocabulary.of([scheme]), vocabulary, encoder)
        for scheme in (Scheme.BUILDING_POINT, Scheme.BRICK)
    )
    among_brick = _rounded(statistics.mean(_by_meaning(brick, one.tags)))
    return {**_served(points, one.tags, one.concepts), "by_meaning_among_brick": among_brick}


def served(
    pairs: TermPairs, vocabulary: Vocabulary, encoder: Encoder, part: slice = slice(None)
) -> Figures:
    """Foreign terms, or a part of them in random order, as they are served with the encoder."""
    concepts, truth = _as_concepts(pairs)
    order = list(range(len(truth)))
    Random(ORDER).shuffle(order)  # noqa: S311
    chosen = order[part]
    aligner = TagAligner.over(concepts, vocabulary, encoder)
    return _served(aligner, [pairs.terms[at] for at in chosen], [truth[at] for at in chosen])


def served_latency(
    bench: Bench, german: TermPairs, chinese: TermPairs, encoder: Encoder
) -> Figures:
    """One tag at a time, on one thread, each for the first time: tags of a building among its
    concepts, and foreign names that are read by meaning among the same."""
    concepts = bench.vocabulary.of([Scheme.BUILDING_POINT])
    aligner = TagAligner.over(concepts, bench.vocabulary, encoder)
    foreign = {"german": german.terms, "chinese": chinese.terms}
    tags = bench.buildings["SDH"].tags
    return {
        "SDH": _timed(aligner, tags[:: len(tags) // TIMED]),
        **{name: _timed(aligner, _unsettled(aligner, terms)) for name, terms in foreign.items()},
    }


def variant(bench: Bench) -> Figures:
    """What a variant with many confirmations weighs and costs."""
    one = bench.buildings["SDH"]
    given = [Confirmation(*pair) for pair in zip(one.tags, one.concepts, strict=True)][:KEPT]
    started = time.perf_counter()
    learned = bench.aligner().learn(given).aligner
    seconds = time.perf_counter() - started
    return {
        "confirmations": len(given),
        "bytes": len(learned.variant()),
        "seconds_to_learn": _rounded(seconds),
    }


def latency(bench: Bench) -> Figures:
    """One tag at a time, on one thread, without the encoder: 100 and 1,271 concepts, and a
    variant with 200 confirmations."""
    one, aligner = bench.buildings["UVA"], bench.aligner()
    truth = dict(zip(one.tags, one.concepts, strict=True))
    learned = aligner.learn(Confirmation(t, truth[t]) for t in aligner.propose(one.tags, 200))
    brick = TagAligner.over(bench.vocabulary.of([Scheme.BRICK]), bench.vocabulary)
    return {
        "building_points": _timed(aligner, one.tags),
        "building_points_200_confirmations": _timed(learned.aligner, one.tags),
        "brick": _timed(brick, one.tags),
    }


def _reached(bench: Bench, name: str, settings: Settings = SETTINGS) -> float:
    one, aligner = bench.buildings[name], bench.aligner(settings)
    return after(aligner, one, aligner.propose(one.tags, BAR_COUNT[name]))


def _random(aligner: TagAligner, one: Building, count: int) -> float:
    choices = [Random(seed).sample(one.tags, count) for seed in range(RANDOM_CHOICES)]  # noqa: S311
    return _rounded(statistics.mean(after(aligner, one, chosen) for chosen in choices))


def _right(aligner: TagAligner, tags: Sequence[str], truth: Sequence[str]) -> dict[str, float]:
    return _shares(_ranks(aligner, tags, truth))


def _by_length(aligner: TagAligner, terms: Sequence[str], truth: Sequence[str]) -> Figures:
    """All terms, and those no longer than names of things are."""
    ranks = _ranks(aligner, terms, truth)
    short = [rank for rank, term in zip(ranks, terms, strict=True) if len(term) <= SHORT_TERM]
    return {**_shares(ranks), "short": _shares(short)}


def _ranks(aligner: TagAligner, tags: Sequence[str], truth: Sequence[str]) -> list[int]:
    """The place of the true concept, from 0; TOP where it is not among the first TOP."""
    top = [[one.concept.id for one in candidates] for candidates in aligner.align(tags, TOP)]
    return [ids.index(true) if true in ids else TOP for ids, true in zip(top, truth, strict=True)]


def _shares(ranks: Sequence[int]) -> dict[str, float]:
    first, among = [rank == 0 for rank in ranks], [rank < TOP for rank in ranks]
    return {"top_1": _rounded(statistics.mean(first)), "top_5": _rounded(statistics.mean(among))}


def _timed(aligner: TagAligner, tags: Sequence[str]) -> Figures:
    took = []
    for tag in tags[:TIMED]:
        started = time.perf_counter()
        aligner.align([tag])
        took.append((time.perf_counter() - started) * 1_000)
    quantiles = statistics.quantiles(took, n=100)
    return {"p50": round(quantiles[49], 2), "p99": round(quantiles[98], 2)}


def _as_concepts(pairs: TermPairs) -> tuple[list[Concept], list[str]]:
    """Each English name as a concept, and each term's own."""
    ids = {name.casefold(): name for name in pairs.names}
    concepts = [Concept("pair", id, name) for id, name in ids.items()]
    return concepts, [name.casefold() for name in pairs.names]


def _served(aligner: TagAligner, tags: Sequence[str], truth: Sequence[str]) -> Figures:
    return {
        "tags": len(tags),
        **_right(aligner, tags, truth),
        "by_meaning": _rounded(statistics.mean(_by_meaning(aligner, tags))),
    }


def _by_meaning(aligner: TagAligner, tags: Sequence[str]) -> list[bool]:
    return [aligner.answer(tag).basis is Basis.MEANING for tag in tags]


def _unsettled(aligner: TagAligner, terms: Sequence[str]) -> list[str]:
    """Some short terms that letters do not settle."""
    short = [term for term in terms if len(term) <= SHORT_TERM]
    some = short[:: max(1, len(short) // TIMED)]
    read = _by_meaning(aligner, some)
    return [term for term, by_meaning in zip(some, read, strict=True) if by_meaning]


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it. Without the encoder its figures are left out."""
    record_metrics(
        arguments,
        "Measure tag-align and its artefact.",
        METRICS,
        lambda directory: evaluate(directory, ARTEFACT, load_encoder()),
        missing=(TrainingDataMissing, EncoderMissing),
    )


if __name__ == "__main__":
    main()
