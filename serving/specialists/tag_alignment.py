"""Tag alignment as a specialist: maps a plant's tag names to ranked concepts of a vocabulary."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.multilingual import EXTRA
from models.signature import BYTES, Columns, InputField, InputInvalid, OutputField, Signature
from models.tag_align.adapt import aligners, load_variant_aligner
from models.tag_align.aligner import Basis, Candidate, TagAligner, TagAlignment
from models.tag_align.confirmations import TooManyConfirmations, VariantBroken
from models.tag_align.naming import (
    MAX_TAG_LENGTH,
    TagInvalid,
    validate_tag,
)
from models.tag_align.vocabulary import ArtefactBroken, ConceptUnknown, Scheme
from serving.errors import WeightsBroken

TOP = 5
# Aligning by meaning takes tens of milliseconds and delays all other requests. In one run at most
# this many kinds of tags are aligned by meaning, the rest by their letters.
MAX_BY_MEANING = 100
SIGNATURE = Signature(
    inputs=(
        InputField(
            "tag", BYTES, description=f"A point's name as the plant has it, {MAX_TAG_LENGTH} long"
        ),
        InputField(
            "scheme",
            BYTES,
            description="Whose concepts to answer with; left out, a variant's confirmations say "
            f"it, and without a variant it is {Scheme.BRICK}",
            values=tuple(str(one) for one in Scheme),
            optional=True,
        ),
    ),
    outputs=(
        OutputField("concept", BYTES, description="The likeliest concept's id; empty where none"),
        OutputField("name", BYTES, description="Its name"),
        OutputField("score", "FP32", description="0 to 1, for ranking; it is no probability"),
        OutputField(
            "basis",
            BYTES,
            description="What it rests on: letters, meaning (where the operator installed the "
            f"extra {EXTRA}; of {MAX_BY_MEANING} kinds of tags a call) or confirmed",
        ),
        OutputField("candidates", BYTES, description=f"The {TOP} likeliest ids", series=True),
        OutputField("candidate_scores", "FP32", description="Their scores", series=True),
    ),
    version="2",
)


@dataclass(frozen=True, slots=True)
class TagAlignmentSpecialist:
    """Aligns tags to concepts, with one aligner for each vocabulary scheme.

    `default_scheme` is the scheme of rows that name none. In a variant it is the scheme of the
    confirmations, from which that scheme's aligner has learned.
    """

    name: str
    default_scheme: str
    schemes: Mapping[str, TagAligner]
    signature: Signature = SIGNATURE

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "tag_align"

    def check(self, columns: Columns) -> None:
        """Raise InputInvalid for the first row that is not a valid tag."""
        for row, tag in enumerate(columns["tag"]):
            try:
                validate_tag(tag)
            except TagInvalid as error:
                raise InputInvalid(f"'tag' in row {row}: {error}", param="tag") from error

    def run(self, columns: Columns) -> Columns:
        """Align each row's tag; return the best concept, its basis and the candidates."""
        answers = self._align_tags(list(columns["tag"]), list(columns["scheme"]))
        ranked = [answer.candidates for answer in answers]
        ids = _pad_candidates([[one.concept.id for one in row] for row in ranked], "")
        scores = _pad_candidates([[one.score for one in row] for row in ranked], 0.0)
        return {
            "concept": ids[:, 0],
            "name": np.array([_top_name(row) for row in ranked], dtype=object),
            "score": scores[:, 0].astype(np.float32),
            "basis": np.array([str(answer.basis) for answer in answers], dtype=object),
            "candidates": ids,
            "candidate_scores": scores.astype(np.float32),
        }

    def _align_tags(self, tags: Sequence[str], schemes: Sequence[str]) -> list[TagAlignment]:
        """Align each tag in its scheme; at most MAX_BY_MEANING kinds of tags by meaning."""
        rows_by_scheme: dict[str, list[int]] = defaultdict(list)
        for row, scheme in enumerate(schemes):
            rows_by_scheme[scheme or self.default_scheme].append(row)
        alignments: dict[int, TagAlignment] = {}
        budget = MAX_BY_MEANING
        for scheme, rows in rows_by_scheme.items():
            aligned = self.schemes[scheme].align_all([tags[row] for row in rows], TOP, budget)
            budget -= len({id(one) for one in aligned if one.basis is Basis.MEANING})
            alignments.update(zip(rows, aligned, strict=True))
        return [alignments[row] for row in range(len(tags))]

    def load_variant(self, name: str, version: str, artefact: bytes) -> "TagAlignmentSpecialist":
        """Load a customer's confirmations of tags. Raises WeightsBroken."""
        try:
            scheme, learned = load_variant_aligner(self.schemes, artefact)
        except (VariantBroken, ConceptUnknown, TagInvalid, TooManyConfirmations) as error:
            raise WeightsBroken(f"The fine-tuned model {name!r} cannot be loaded.") from error
        signature = msgspec.structs.replace(self.signature, version=version)
        schemes = MappingProxyType({**self.schemes, scheme: learned})
        return replace(self, name=name, default_scheme=scheme, schemes=schemes, signature=signature)


def load_tag_alignment(name: str, path: Path) -> TagAlignmentSpecialist:
    """Load the aligners of the vocabulary at `path`; default scheme Brick. Raises WeightsBroken."""
    try:
        schemes = aligners(path)
    except (OSError, ArtefactBroken) as error:
        raise WeightsBroken(f"The artefact of {name!r} cannot be loaded.") from error
    return TagAlignmentSpecialist(name, Scheme.BRICK, schemes)


def _top_name(candidates: tuple[Candidate, ...]) -> str:
    """Return the name of the best candidate's concept; empty without candidates."""
    return candidates[0].concept.name if candidates else ""


def _pad_candidates(rows: list[list[Any]], filler: Any) -> NDArray[Any]:
    """Return an array of shape [rows, TOP], padded with `filler`."""
    return np.array([[*row, *[filler] * (TOP - len(row))] for row in rows], dtype=object)
