"""Fine-tune the tag aligner on a plant's file of confirmations."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from models.adaptation import (
    Adaptation,
    CurrentComparison,
    ProgressCallback,
    Score,
    TrainingFileInvalid,
)
from models.multilingual import EncoderMissing
from models.sentences import listing, message_of, sentence
from models.tag_align import confirmations as confirming
from models.tag_align.aligner import ARTEFACT, TagAligner
from models.tag_align.comparing import LEVEL, compare_held_out
from models.tag_align.confirmations import Confirmation, TooManyConfirmations
from models.tag_align.encoder import Encoder
from models.tag_align.own_concepts import OWN_SCHEME
from models.tag_align.training_file import read_confirmed_tags
from models.tag_align.vectors import load_cached_encoder
from models.tag_align.vocabulary import ConceptUnknown, Scheme, Vocabulary, read

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

    bases: base aligner by scheme. The scheme of own concepts is OWN_SCHEME. Raises VariantBroken,
    ConceptUnknown.
    """
    parsed = confirming.parse_variant(variant)
    if parsed.concepts:
        return OWN_SCHEME, bases[Scheme.BRICK].with_variant(variant)
    scheme = _find_scheme(bases, parsed.confirmations)
    return scheme, bases[scheme].with_variant(variant)


def adapt(training_file: bytes, progress: ProgressCallback) -> Adaptation:
    """Fit a variant on lines of `{"tag": …, "concept": …}`; all concept ids must be of one scheme.

    With lines of `{"concept": …, "name": …}`, the concepts are the customer's own.

    The score is computed by cross-validation over patterns. Raises TrainingFileInvalid.
    """
    confirmed = read_confirmed_tags(training_file, read(ARTEFACT))
    confirmations = confirmed.confirmations
    bases = aligners()
    base = (
        bases[Scheme.BRICK].over(confirmed.concepts)
        if confirmed.concepts
        else _select_base(bases, confirmations)
    )
    progress(sentence("Read {count} confirmations.", count=len(confirmations)))
    known = [one for one in confirmed.earlier if one.concept in base.positions]
    held_out = compare_held_out(base, confirmations, known)
    low, high = held_out.improvement
    progress(
        sentence(
            "Correct on {tags} held-out tags: {base:.1%} before training, "
            "{variant:.1%} after. Kinds of tags better less worse: {low:+.1%} to "
            "{high:+.1%} ({level:.1%} interval).",
            tags=held_out.tags,
            base=held_out.base,
            variant=held_out.variant,
            low=low,
            high=high,
            level=LEVEL,
        )
    )
    _report_current(held_out.current, progress)
    result = base.learn(confirmations)
    for conflict in result.conflicts:
        progress(
            sentence(
                "{tag} and {count} similar tags were confirmed as {concept}, but most "
                "tags of this pattern as {leading}.",
                tag=repr(conflict.tags[0]),
                count=len(conflict.tags) - 1,
                concept=repr(conflict.concept),
                leading=repr(conflict.leading),
            )
        )
    score = Score(
        "share of tags with the correct first concept",
        held_out.base,
        held_out.variant,
        higher_is_better=True,
        improvement=held_out.improvement,
        current=held_out.current,
    )
    return Adaptation(result.aligner.variant(), score, len(confirmations), held_out.tags)


def _report_current(current: CurrentComparison | None, progress: ProgressCallback) -> None:
    """Report how the new version compares with the version in use, if that is known."""
    if current is None:
        return
    low, high = current.improvement
    progress(
        sentence(
            "Correct on {tags} held-out tags that are new to the version in use: {current:.1%} by "
            "that version, {variant:.1%} by the new one. Kinds of tags better less worse: "
            "{low:+.1%} to {high:+.1%} ({level:.1%} interval).",
            tags=current.examples,
            current=current.current,
            variant=current.adapted,
            low=low,
            high=high,
            level=LEVEL,
        )
    )


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
        raise TrainingFileInvalid(message_of(error)) from error
    return base


def _find_scheme(bases: Mapping[str, TagAligner], confirmations: Sequence[Confirmation]) -> str:
    """Return the first scheme that contains all confirmed concepts. Raises ConceptUnknown."""
    for scheme, base in bases.items():
        if all(confirmation.concept in base.positions for confirmation in confirmations):
            return scheme
    raise ConceptUnknown(
        sentence(
            "The concepts belong to several schemes; use one of {schemes}.",
            schemes=listing(list(bases)),
        )
    )
