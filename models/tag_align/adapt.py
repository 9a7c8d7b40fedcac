"""Fine-tune the tag aligner on a plant's file of confirmations."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from models.adaptation import Adaptation, ProgressCallback, Score, TrainingFileInvalid
from models.multilingual import EncoderMissing
from models.tag_align import confirmations as confirming
from models.tag_align.aligner import ARTEFACT, TagAligner
from models.tag_align.confirmations import Confirmation, TooManyConfirmations
from models.tag_align.encoder import Encoder
from models.tag_align.training_file import (
    HELD_OUT_DIVISOR,
    positions_by_pattern,
    read_confirmations,
)
from models.tag_align.vectors import load_cached_encoder
from models.tag_align.vocabulary import ConceptUnknown, Scheme, Vocabulary, read

SEED = 20_170

log = logging.getLogger(__name__)


def aligners(path: Path = ARTEFACT) -> Mapping[str, TagAligner]:
    """Build the base aligner of each scheme in the artefact, with the encoder if it is installed.

    Raises ArtefactBroken.
    """
    vocabulary = read(path)
    encoder = _load_encoder(path, vocabulary)
    return MappingProxyType(
        {
            scheme: TagAligner.from_concepts(vocabulary.concepts_in([scheme]), vocabulary, encoder)
            for scheme in Scheme
        }
    )


def load_variant_aligner(bases: Mapping[str, TagAligner], variant: bytes) -> tuple[str, TagAligner]:
    """Return a variant's scheme, and the base aligner of this scheme fitted on the variant.

    bases: base aligner by scheme. Raises VariantBroken, ConceptUnknown.
    """
    scheme = _find_scheme(bases, confirming.parse_variant(variant))
    return scheme, bases[scheme].with_variant(variant)


def adapt(training_file: bytes, progress: ProgressCallback) -> Adaptation:
    """Fit a variant on lines of `{"tag": …, "concept": …}`; all concept ids must be of one scheme.

    The score is computed on held-out patterns: tags that differ in numbers only are either all
    fitted on or all held out. Raises TrainingFileInvalid.
    """
    confirmations = read_confirmations(training_file, read(ARTEFACT))
    base = _select_base(aligners(), confirmations)
    progress(f"Read {len(confirmations)} confirmations.")
    held_out, training_positions = _split(confirmations)
    before, after = (
        _accuracy(aligner, held_out)
        for aligner in (base, base.learn([confirmations[at] for at in training_positions]).aligner)
    )
    progress(
        f"Correct on {len(held_out)} held-out tags: {before:.1%} before training, "
        f"{after:.1%} after."
    )
    result = base.learn(confirmations)
    for conflict in result.conflicts:
        progress(
            f"{conflict.tags[0]!r} and {len(conflict.tags) - 1} similar tags were "
            f"confirmed as {conflict.concept!r}, but most tags of this pattern as "
            f"{conflict.leading!r}."
        )
    score = Score(
        "share of tags with the correct first concept", before, after, higher_is_better=True
    )
    return Adaptation(result.aligner.variant(), score, len(confirmations), len(held_out))


def _load_encoder(path: Path, vocabulary: Vocabulary) -> Encoder | None:
    """Load the encoder, or return None if it or its vectors are not installed."""
    try:
        return load_cached_encoder(path, vocabulary)
    except EncoderMissing as error:
        log.info("Tags are matched by spelling only: %s", error)
        return None


def _select_base(
    bases: Mapping[str, TagAligner], confirmations: Sequence[Confirmation]
) -> TagAligner:
    """Return the base aligner of the confirmations' scheme. Raises TrainingFileInvalid."""
    try:
        base = bases[_find_scheme(bases, confirmations)]
        base.learn(confirmations)
    except (ConceptUnknown, TooManyConfirmations) as error:
        raise TrainingFileInvalid(str(error)) from error
    return base


def _find_scheme(bases: Mapping[str, TagAligner], confirmations: Sequence[Confirmation]) -> str:
    """Return the first scheme that contains all confirmed concepts. Raises ConceptUnknown."""
    for scheme, base in bases.items():
        if all(confirmation.concept in base.positions for confirmation in confirmations):
            return scheme
    raise ConceptUnknown(f"The concepts belong to several schemes; use one of {', '.join(bases)}.")


def _split(confirmations: Sequence[Confirmation]) -> tuple[list[Confirmation], list[int]]:
    """Return the held-out confirmations and the positions of the others, split by pattern."""
    positions_by_group = list(positions_by_pattern(confirmations).values())
    order = np.random.default_rng(SEED).permutation(len(positions_by_group))
    held_out = {
        position
        for group in order[: len(positions_by_group) // HELD_OUT_DIVISOR]
        for position in positions_by_group[group]
    }
    return [confirmations[position] for position in sorted(held_out)], [
        position for position in range(len(confirmations)) if position not in held_out
    ]


def _accuracy(aligner: TagAligner, held_out: Sequence[Confirmation]) -> float:
    """Return the share of held-out tags whose first candidate is the confirmed concept."""
    candidates = [aligner.align([confirmation.tag], top=1)[0] for confirmation in held_out]
    is_correct = [
        bool(each) and each[0].concept.id == confirmation.concept
        for each, confirmation in zip(candidates, held_out, strict=True)
    ]
    return float(np.mean(is_correct))
