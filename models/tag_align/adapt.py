"""Adapting the aligner to one plant: a file of confirmations in, a variant out.

Owns which scheme a file's concepts are of, and the held-out score.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from models.adaptation import Adaptation, Progress, Score, TrainingFileInvalid
from models.multilingual import EncoderMissing
from models.tag_align import confirmations as confirming
from models.tag_align.aligner import ARTEFACT, TagAligner
from models.tag_align.confirmations import Confirmation, TooManyConfirmations
from models.tag_align.encoder import Encoder
from models.tag_align.training_file import HELD_OUT, kinds_of, read_confirmations
from models.tag_align.vectors import encoder_beside
from models.tag_align.vocabulary import ConceptUnknown, Scheme, Vocabulary, read

SEED = 20_170

log = logging.getLogger(__name__)


def aligners(path: Path = ARTEFACT) -> Mapping[str, TagAligner]:
    """The base aligner of each scheme in the artefact, with the encoder where it is installed.

    Raises ArtefactBroken.
    """
    vocabulary = read(path)
    encoder = _encoder(path, vocabulary)
    return MappingProxyType(
        {one: TagAligner.over(vocabulary.of([one]), vocabulary, encoder) for one in Scheme}
    )


def with_confirmations(bases: Mapping[str, TagAligner], variant: bytes) -> tuple[str, TagAligner]:
    """The scheme of the variant's concepts, and its base with what the variant holds.

    Raises VariantBroken, ConceptUnknown.
    """
    scheme = _scheme(bases, confirming.read(variant))
    return scheme, bases[scheme].with_variant(variant)


def adapt(training_file: bytes, progress: Progress) -> Adaptation:
    """Learn lines of `{"tag": …, "concept": …}`, the concept by its id in one scheme.

    Raises TrainingFileInvalid. The score is judged on patterns of tags that were not learned:
    tags that differ in numbers only are all on one side.
    """
    given = read_confirmations(training_file, read(ARTEFACT))
    base = _of_scheme(aligners(), given)
    progress(f"{len(given)} confirmations were read.")
    apart, learned = _divided(given)
    before, after = (
        _right(one, apart) for one in (base, base.learn([given[at] for at in learned]).aligner)
    )
    progress(f"Of {len(apart)} tags kept apart, {before:.1%} were right before, {after:.1%} after.")
    lesson = base.learn(given)
    for conflict in lesson.conflicts:
        progress(
            f"{conflict.tags[0]!r} and {len(conflict.tags) - 1} like it were confirmed as "
            f"{conflict.concept!r}, most of their kind as {conflict.leading!r}."
        )
    score = Score("share of tags right at the first place", before, after, higher_is_better=True)
    return Adaptation(lesson.aligner.variant(), score, len(given), len(apart))


def _encoder(path: Path, vocabulary: Vocabulary) -> Encoder | None:
    try:
        return encoder_beside(path, vocabulary)
    except EncoderMissing as error:
        log.info("Tags are read by letters alone: %s", error)
        return None


def _of_scheme(bases: Mapping[str, TagAligner], given: Sequence[Confirmation]) -> TagAligner:
    try:
        base = bases[_scheme(bases, given)]
        base.learn(given)
    except (ConceptUnknown, TooManyConfirmations) as error:
        raise TrainingFileInvalid(str(error)) from error
    return base


def _scheme(bases: Mapping[str, TagAligner], given: Sequence[Confirmation]) -> str:
    """The first scheme that has every concept. Raises ConceptUnknown."""
    for scheme, base in bases.items():
        if all(one.concept in base.positions for one in given):
            return scheme
    raise ConceptUnknown(
        f"The concepts are of no single scheme; keep to one of {', '.join(bases)}."
    )


def _divided(given: Sequence[Confirmation]) -> tuple[list[Confirmation], list[int]]:
    """What is kept apart, and where the rest is. Each pattern is on one side, by all its tags."""
    places = list(kinds_of(given).values())
    order = np.random.default_rng(SEED).permutation(len(places))
    apart = {at for place in order[: len(places) // HELD_OUT] for at in places[place]}
    return [given[at] for at in sorted(apart)], [at for at in range(len(given)) if at not in apart]


def _right(aligner: TagAligner, apart: Sequence[Confirmation]) -> float:
    found = [aligner.align([one.tag], top=1)[0] for one in apart]
    right = [
        bool(each) and each[0].concept.id == one.concept
        for each, one in zip(found, apart, strict=True)
    ]
    return float(np.mean(right))
